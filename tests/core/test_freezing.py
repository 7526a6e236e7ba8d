"""Frozen parameters and frozen statistics."""

import copy

import pytest
import torch
from torch import nn

from cifar_core.config import Model, Sgd
from cifar_core.errors import ConfigError
from cifar_core.models import registry
from cifar_core.models.freezing import freeze
from cifar_core.optim import registry as optimizers


def conv3(**options):
    """A small network with batch normalisation, frozen as said."""
    torch.manual_seed(0)
    network = registry.build(Model(name="conv3-notes"), 10)
    freeze(network, Model(name="conv3-notes", **options))
    return network


def trained(network, steps=3):
    """Make a few steps, and return the optimizer."""
    optimizer = optimizers.build(Sgd(lr=0.1, weight_decay=0.1), network)
    network.train()
    for step in range(steps):
        images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad(set_to_none=True)
        network(images).square().mean().backward()
        optimizer.step()
    return optimizer


def changed(before, network):
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


def names(network):
    return {name for name, _ in network.named_parameters()}


def test_frozen_parameters_stay_and_the_others_are_trained():
    network = conv3(freeze=("conv*", "norm1.*"))
    before = copy.deepcopy(network.state_dict())
    trained(network)
    still = {name for name in names(network) if name.startswith(("conv", "norm1"))}
    assert changed(before, network) & names(network) == names(network) - still


def test_frozen_parameters_get_no_gradient_and_no_state_in_the_optimizer():
    network = conv3(freeze=("conv*",))
    optimizer = trained(network)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in network.named_parameters():
        is_frozen = name.startswith("conv")
        assert (parameter.grad is None) == is_frozen
        assert (id(parameter) not in held) == is_frozen
    assert len(optimizer.state) == len(held)


def test_train_only_freezes_all_others():
    network = conv3(train_only=("linear3.*",))
    before = copy.deepcopy(network.state_dict())
    trained(network)
    assert changed(before, network) & names(network) == {"linear3.weight", "linear3.bias"}


def test_a_parameter_that_is_fixed_by_its_network_is_not_trained_by_train_only():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Linear(4, 2))
    network[0].weight.requires_grad_(False)
    freeze(network, Model(train_only=("*",)))
    assert not network[0].weight.requires_grad
    assert network[1].weight.requires_grad


@pytest.mark.parametrize("key", ["freeze", "train_only"])
def test_a_pattern_that_fits_nothing_is_an_error(key):
    with pytest.raises(ConfigError, match=rf"^model\.{key}: 'stem\.\*' fits no name of the network, which has conv1"):
        conv3(**{key: ("conv1.*", "stem.*")})


def test_a_network_without_anything_to_train_is_an_error():
    with pytest.raises(ConfigError, match=r"^model\.freeze: leaves nothing to train"):
        conv3(freeze=("*",))


def test_frozen_statistics_stay_in_training_mode():
    network = conv3(freeze_norm=True)
    before = copy.deepcopy(network.state_dict())
    trained(network)
    statistics = {name for name in before if name.startswith("norm") and name not in names(network)}
    assert statistics
    assert not changed(before, network) & statistics


def test_statistics_that_are_not_frozen_move():
    network = conv3()
    before = copy.deepcopy(network.state_dict())
    trained(network)
    assert "norm1.running_mean" in changed(before, network)


def test_frozen_statistics_are_what_training_normalises_by():
    network = conv3(freeze_norm=True).train()
    assert network.training
    images = torch.randn(4, 3, 32, 32)
    one_by_one = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(network(images), one_by_one)


def test_a_copy_of_a_network_has_frozen_statistics_of_its_own():
    network = conv3(freeze_norm=True)
    twin = copy.deepcopy(network)
    twin.norm1.running_mean.add_(1)
    before = copy.deepcopy(twin.state_dict())
    trained(twin)
    assert "norm1.running_mean" not in changed(before, twin)
    assert twin.norm1.train() is twin.norm1
    assert not network.norm1.running_mean.any()


def test_evaluation_leaves_frozen_statistics_frozen():
    network = conv3(freeze_norm=True).train()
    network.eval()
    network.train()
    assert not network.norm1.training
    assert network.conv1.training


def test_freezing_statistics_of_a_network_without_any_is_an_error():
    with pytest.raises(ConfigError, match=r"^model\.freeze_norm: lenet-notes has no batch normalisation"):
        freeze(registry.build(Model(), 10), Model(freeze_norm=True))
