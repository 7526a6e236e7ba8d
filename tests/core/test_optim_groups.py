"""Parameters are grouped by what an optimizer does with them, and remembered by name."""

import pytest
import torch
from torch import nn

from cifar_core.config import AdamW, Muon, ScheduleFreeAdamW, Sgd
from cifar_core.errors import ConfigError
from cifar_core.optim.groups import carried_over
from cifar_core.optim.registry import build


class Small(nn.Module):
    """A convolution, a normalisation, a matrix, an embedding of places and a classifier, each 3 wide."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.linear = nn.Linear(3, 3)
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 3))
        self.head = nn.Linear(3, 3)


EVERY = {name for name, _ in Small().named_parameters()}
WEIGHTS = {"conv.weight", "linear.weight", "head.weight"}


def names_by(optimizer, key):
    """The names of parameters by the value of an option."""
    found = {}
    for group in optimizer.param_groups:
        found.setdefault(group[key], set()).update(group["param_names"])
    return found


def stepped(optimizer, times=2):
    torch.manual_seed(3)
    for _ in range(times):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return optimizer


# Weight decay


def test_by_default_everything_decays_in_one_group():
    (group,) = build(Sgd(weight_decay=0.1), Small()).param_groups
    assert group["weight_decay"] == 0.1
    assert set(group["param_names"]) == EVERY


@pytest.mark.parametrize("config", [Sgd, AdamW, ScheduleFreeAdamW])
def test_biases_normalisation_and_embeddings_can_be_left_out_of_the_decay(config):
    decays = names_by(build(config(weight_decay=0.1, decayed="weights"), Small()), "weight_decay")
    assert decays == {0.1: WEIGHTS, 0.0: EVERY - WEIGHTS}


def test_a_network_may_say_itself_what_should_not_decay():
    outer, inner = nn.Module(), Small()
    inner.no_weight_decay = lambda: {"linear.weight"}
    outer.network = inner
    decays = names_by(build(Sgd(weight_decay=0.1, decayed="weights"), outer), "weight_decay")
    assert decays[0.1] == {"network.conv.weight", "network.head.weight"}


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t"])
def test_embeddings_of_torchvisions_transformers_are_known(name):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    decays = names_by(build(Sgd(weight_decay=0.1, decayed="weights"), model), "weight_decay")
    assert not {each for each in decays[0.1] if "embed" in each or "token" in each or "position" in each}
    assert {each for each in decays[0.0] if "token" in each or "position" in each or "pos_embedding" in each}


def test_what_does_not_decay_is_left_where_it_is_without_a_gradient():
    model = Small()
    nn.init.ones_(model.pos_embed)
    optimizer = build(Sgd(lr=0.1, momentum=0.0, weight_decay=0.5, decayed="weights"), model)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        shrunk = before[name] * (0.95 if name in WEIGHTS else 1.0)
        torch.testing.assert_close(parameter.detach(), shrunk)


# Learning rates


def test_rates_are_multiplied_by_the_first_pattern_that_fits():
    config = Sgd(lr=0.5, lr_factors=("head.bias = 4", "head.* = 10", "conv.* = 0.1"))
    rates = names_by(build(config, Small()), "lr")
    assert {rate: sorted(names) for rate, names in rates.items()} == {
        2.0: ["head.bias"],
        5.0: ["head.weight"],
        0.05: ["conv.bias", "conv.weight"],
        0.5: sorted(EVERY - {"head.bias", "head.weight", "conv.bias", "conv.weight"}),
    }


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (Sgd(lr_factors=("heads.* = 2",)), "optimizer.lr_factors: 'heads.\\*'"),
        (Sgd(lr_epochs=("conv.weight = 2", "x = 1")), "optimizer.lr_epochs: 'x'"),
        (Muon(rest=("CONV.*",)), "optimizer.rest: 'CONV.\\*'"),
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(config, key):
    with pytest.raises(ConfigError, match=f"{key} fits no name of what is trained, which has "):
        build(config, Small())


def test_a_pattern_for_what_is_frozen_matches_nothing():
    model = Small()
    model.conv.requires_grad_(requires_grad=False)
    with pytest.raises(ConfigError, match=r"optimizer\.lr_factors"):
        build(Sgd(lr_factors=("conv.* = 2",)), model)


def test_something_must_be_trained_to_the_end():
    with pytest.raises(ConfigError, match=r"optimizer\.lr_epochs: must leave parameters"):
        build(Sgd(lr_epochs=("* = 3",)), Small())


# What is remembered when parameters are grouped anew


@pytest.mark.parametrize("config", [Sgd, AdamW, Muon, ScheduleFreeAdamW])
def test_what_is_remembered_of_a_parameter_goes_with_its_name(config):
    then = stepped(build(config(), Small()))
    now = build(config(lr_factors=("head.* = 10",), decayed="weights"), Small())
    assert len(now.param_groups) > len(then.param_groups)
    now.load_state_dict(carried_over(then.state_dict(), now.state_dict()))

    def remembered(optimizer):
        return {
            name: optimizer.state[parameter]
            for group in optimizer.param_groups
            for name, parameter in zip(group["param_names"], group["params"], strict=True)
        }

    was, is_now = remembered(then), remembered(now)
    assert was.keys() == is_now.keys()
    for name, memory in was.items():
        assert memory.keys() == is_now[name].keys() != set()
        assert all(torch.equal(torch.as_tensor(value), is_now[name][key]) for key, value in memory.items())


def test_what_was_frozen_starts_without_a_memory():
    model = Small()
    model.conv.requires_grad_(requires_grad=False)
    then = stepped(build(Sgd(), model))
    now = build(Sgd(), Small())
    now.load_state_dict(carried_over(then.state_dict(), now.state_dict()))
    (group,) = now.param_groups
    without = {
        name for name, each in zip(group["param_names"], group["params"], strict=True) if not now.state.get(each)
    }
    assert without == {"conv.weight", "conv.bias"}


def test_a_schedule_free_average_goes_on_counting():
    then = stepped(build(ScheduleFreeAdamW(lr=0.1), Small()), times=5)
    now = build(ScheduleFreeAdamW(lr=0.2, decayed="weights", weight_decay=0.1), Small())
    now.load_state_dict(carried_over(then.state_dict(), now.state_dict()))
    assert [(group["k"], group["lr"]) for group in now.param_groups] == [(5, 0.2)] * 2
    assert {group["weight_sum"] for group in now.param_groups} == {then.param_groups[0]["weight_sum"]}
