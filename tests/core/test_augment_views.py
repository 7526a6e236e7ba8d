"""Test-time augmentation: the mean of a network's answers to several views."""

from __future__ import annotations

import pytest
import torch
from augmenting import noise
from torch import nn
from torch.nn import functional

from cifar_core.augment.views import averaged
from cifar_core.config import Config, Training
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.evaluate import evaluate
from cifar_core.events import Evaluated, StepCompleted
from cifar_core.losses import build as build_loss


@pytest.fixture
def network():
    """Something that no mirroring or shift leaves alone, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
        model(torch.zeros(1, 3, 32, 32))
    return model.eval()


def scaled(images):
    return images.float() / 255


def as_published(images, network):
    """airbench's own formula, on normalised images."""

    def mirrored(inputs):
        return 0.5 * network(inputs) + 0.5 * network(inputs.flip(-1))

    padded = functional.pad(images, (1, 1, 1, 1), "reflect")
    shifted = torch.stack([mirrored(padded[:, :, 0:32, 0:32]), mirrored(padded[:, :, 2:34, 2:34])]).mean(0)
    return 0.5 * mirrored(images) + 0.5 * shifted


@torch.no_grad()
def test_logits_are_the_mean_over_the_views(network):
    images = noise(7)
    plain, mirrored = network(scaled(images)), network(scaled(images.flip(-1)))

    def logits_of(view):
        return network(scaled(view))

    assert torch.equal(averaged(images, "none", logits_of), plain)
    torch.testing.assert_close(averaged(images, "flip", logits_of), (plain + mirrored) / 2)
    torch.testing.assert_close(averaged(images, "flip-shift", logits_of), as_published(scaled(images), network))


@pytest.mark.parametrize(("test_time", "times"), [("none", 1), ("flip", 2), ("flip-shift", 6)])
def test_views_are_as_many_as_told_all_different_and_of_the_same_shape(test_time, times):
    views = []

    def logits_of(view):
        views.append(view.clone())
        return torch.zeros(len(view), 10)

    averaged(noise(1), test_time, logits_of)
    assert {(view.shape, view.dtype) for view in views} == {((1, 3, 32, 32), torch.uint8)}
    assert len(torch.cat(views).unique(dim=0)) == times


@torch.no_grad()
@pytest.mark.parametrize("test_time", ["flip", "flip-shift"])
def test_an_image_and_its_mirror_image_get_the_same_answer(network, test_time):
    images = noise(5)
    one, other = (averaged(some, test_time, lambda view: network(scaled(view))) for some in (images, images.flip(-1)))
    if test_time == "flip":
        torch.testing.assert_close(one, other)
    else:
        # Shifts are along one diagonal, and mirroring turns it into the other.
        assert not torch.allclose(one, other)


@torch.no_grad()
@pytest.mark.parametrize("test_time", ["none", "flip", "flip-shift"])
def test_an_evaluation_counts_the_averaged_logits(network, test_time):
    images, labels = noise(23), torch.arange(23) % 10
    loss = build_loss(Training(), 10)
    found = evaluate(
        network, images, labels, normalise=scaled, loss=loss, classes=10, batch_size=5, test_time=test_time
    )
    logits = averaged(images, test_time, lambda view: network(scaled(view)))
    assert found.loss == pytest.approx(loss(logits, labels).item(), rel=1e-5)
    assert found.top1 == (logits.argmax(1) == labels).sum().item() / 23


async def test_a_training_is_evaluated_as_configured_and_otherwise_the_same():
    steps, losses = [], []
    for test_time in ("none", "flip"):
        config = Config.model_validate(
            {
                "model": {"name": "lenet-notes"},
                "data": {"kind": "synthetic", "limit": 60, "validation": 0.2},
                "augment": {"test_time": test_time},
                "training": {"epochs": 1, "batch_size": 16, "threads": 1, "device": "cpu"},
            }
        )
        events = [event async for event in train(config, Control())]
        steps.append([event.loss for event in events if isinstance(event, StepCompleted)])
        losses.append({event.split: event.loss for event in events if isinstance(event, Evaluated)})
    assert steps[0] == steps[1]
    assert set(losses[0]) == {"val", "test"}
    assert all(losses[0][split] != losses[1][split] for split in losses[0])
