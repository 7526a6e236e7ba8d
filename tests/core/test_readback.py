"""Blocks of figures become one event for every step, in order, with the right figures."""

import math

import pytest
import torch

from cifar_core import readback
from cifar_core.readback import Readback, finite

CPU = torch.device("cpu")


def step_of(generator, images):
    logits = torch.randn(images, 10, generator=generator)
    labels = torch.randint(10, (images,), generator=generator)
    return torch.rand((), generator=generator), logits, labels


def test_every_step_has_its_own_figures_whatever_the_size_of_its_batch():
    generator = torch.Generator().manual_seed(0)
    back = Readback(CPU)
    steps = [step_of(generator, images) for images in (8, 8, 3, 8, 8, 8, 1)]
    for number, (loss, logits, labels) in enumerate(steps, 1):
        back.add(1, number, 0.1 * number, loss, logits, labels, None)
    events = list(back.drain())
    assert [event.step for event, _ in events] == list(range(1, 8))
    for (event, images), (loss, logits, labels) in zip(events, steps, strict=True):
        assert images == len(labels)
        assert event.loss == pytest.approx(loss.item())
        assert event.accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())
        assert event.learning_rate == pytest.approx(0.1 * event.step)


def test_a_block_is_ready_when_it_is_long_enough(monkeypatch):
    monkeypatch.setattr(readback, "BLOCK_STEPS", 4)
    monkeypatch.setattr(readback, "BLOCK_SECONDS", math.inf)
    generator = torch.Generator().manual_seed(0)
    back = Readback(CPU)
    sizes = []
    for number in range(1, 11):
        back.add(1, number, 0.1, *step_of(generator, 2), None)
        sizes.append(len(list(back.ready())))
    assert sizes == [0, 0, 0, 4, 0, 0, 0, 4, 0, 0]
    assert len(list(back.drain())) == 2
    assert list(back.drain()) == []


def test_a_block_is_ready_when_it_is_old_enough(monkeypatch):
    monkeypatch.setattr(readback, "BLOCK_SECONDS", 0.0)
    back = Readback(CPU)
    back.add(1, 1, 0.1, *step_of(torch.Generator(), 2), None)
    assert len(list(back.ready())) == 1


def test_gradient_norms_come_with_their_steps():
    back = Readback(CPU)
    generator = torch.Generator().manual_seed(0)
    for number in (1, 2):
        back.add(1, number, 0.1, *step_of(generator, 2), torch.tensor(float(number)))
    assert [event.gradient_norm for event, _ in back.drain()] == [1.0, 2.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_none(value):
    back = Readback(CPU)
    _, logits, labels = step_of(torch.Generator(), 2)
    back.add(1, 1, 0.1, torch.tensor(value), logits, labels, torch.tensor(value))
    [(event, _)] = back.drain()
    assert event.loss is None
    assert event.gradient_norm is None
    assert finite(value) is None
    assert finite(1.5) == 1.5
