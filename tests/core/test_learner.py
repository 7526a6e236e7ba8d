"""One update does what the textbook loop does, whatever it is asked for besides."""

import pytest
import torch
from torch import nn

from cifar_core.config import Config
from cifar_core.learner import Learner
from cifar_core.models import registry as models

CPU = torch.device("cpu")


def config(**training):
    return Config.model_validate({"optimizer": {"lr": 0.1, "momentum": 0.5}, "training": training})


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, 3, 32, 32, generator=generator), torch.randint(10, (12,), generator=generator)


def weights(learner):
    return [parameter.detach().clone() for parameter in learner.model.parameters()]


def test_an_update_equals_the_textbook_loop(batch):
    learner = Learner(config(), 10, CPU)
    model = models.build(config().model, 10)
    model.load_state_dict(learner.model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for _ in range(3):
        reported, _, norm = learner.update(*batch)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        assert reported.item() == pytest.approx(loss.item(), rel=1e-5)
        assert norm is None
    torch.testing.assert_close(weights(learner), list(model.parameters()), rtol=1e-4, atol=1e-6)


def test_gradients_never_pile_up(batch):
    learner = Learner(config(), 10, CPU)
    learner.set_learning_rate(0.0)
    norms = []
    for _ in range(2):
        learner.update(*batch)
        norms.append(sum(parameter.grad.square().sum() for parameter in learner.model.parameters()))
    assert norms[0] == norms[1]


@pytest.mark.parametrize("parts", [2, 5, 12])
def test_a_batch_in_parts_makes_the_same_update(parts, batch):
    whole, divided = Learner(config(), 10, CPU), Learner(config(accumulate=parts), 10, CPU)
    loss, logits, _ = whole.update(*batch)
    loss_of_parts, logits_of_parts, _ = divided.update(*batch)
    torch.testing.assert_close(loss_of_parts, loss)
    torch.testing.assert_close(logits_of_parts, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weights(divided), weights(whole), rtol=1e-4, atol=1e-6)


def test_a_clipped_gradient_has_the_norm_that_was_asked_for_and_reports_the_one_it_had(batch):
    learner = Learner(config(clip_norm=0.01), 10, CPU)
    _, _, norm = learner.update(*batch)
    clipped = sum(parameter.grad.square().sum() for parameter in learner.model.parameters()).sqrt()
    assert norm > 0.1
    assert clipped.item() == pytest.approx(0.01, rel=1e-3)


def rates(learner):
    """The learning rate of every parameter, by name."""
    return {name: group["lr"] for group in learner.optimizer.param_groups for name in group["param_names"]}


def test_every_parameter_has_its_share_of_the_rate():
    optimizer = {"lr": 0.1, "lr_factors": ["linear3.* = 10"]}
    learner = Learner(Config.model_validate({"optimizer": optimizer}), 10, CPU)
    assert learner.set_learning_rate(0.5) == 0.5
    shares = {name: 5.0 if name.startswith("linear3") else 0.5 for name in rates(learner)}
    assert rates(learner) == shares
    assert learner.set_learning_rate(0.5, lambda epochs: 0.1 if epochs is None else 1.0) == 0.05
    assert rates(learner) == {name: pytest.approx(0.1 * share) for name, share in shares.items()}


def test_parameters_of_the_first_epochs_have_a_schedule_of_their_own_and_then_stay(batch):
    optimizer = {"lr": 0.1, "weight_decay": 0.1, "lr_epochs": ["conv1.* = 3"]}
    learner = Learner(Config.model_validate({"optimizer": optimizer}), 10, CPU)
    learner.set_learning_rate(0.1, lambda epochs: 1.0 if epochs is None else 0.5)
    assert (rates(learner)["conv1.weight"], rates(learner)["conv2.weight"]) == (0.05, 0.1)
    learner.update(*batch)
    before = [each.detach().clone() for each in (learner.model.conv1.weight, learner.model.conv2.weight)]
    learner.set_learning_rate(0.1, lambda epochs: 1.0 if epochs is None else 0.0)
    learner.update(*batch)
    assert torch.equal(learner.model.conv1.weight, before[0])
    assert learner.model.conv1.weight.grad is None
    assert not torch.equal(learner.model.conv2.weight, before[1])


def test_lookahead_goes_back_half_of_the_way(batch):
    tree = {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0}}
    plain = Learner(Config.model_validate(tree), 10, CPU)
    tree["optimizer"]["lookahead"] = 2
    ours = Learner(Config.model_validate(tree), 10, CPU)
    start = weights(plain)
    for _ in range(2):
        plain.update(*batch)
        ours.update(*batch)
    half = [(before + after) / 2 for before, after in zip(start, weights(plain), strict=True)]
    torch.testing.assert_close(weights(ours), half)


def test_a_seed_gives_one_set_of_weights_and_another_seed_another():
    first, again, other = (Learner(config(seed=seed), 10, CPU) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(first), weights(other), strict=True))


def test_channels_last_lays_out_the_weights():
    model = Learner(config(channels_last=True), 10, CPU).model
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert convolutions
    assert all(c.weight.is_contiguous(memory_format=torch.channels_last) for c in convolutions)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_forward_pass_has_the_precision_and_the_weights_stay_in_float32(precision, dtype, batch):
    learner = Learner(config(precision=precision), 10, CPU)
    _, logits, _ = learner.update(*batch)
    assert logits.dtype == dtype
    assert {weight.dtype for weight in weights(learner)} == {torch.float32}
