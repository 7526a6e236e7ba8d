"""Evaluation against counting by hand, and what it leaves behind."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import nn
from torch.nn import functional

from cifar_core.config import Model, Training
from cifar_core.evaluate import evaluate
from cifar_core.losses import build as build_loss
from cifar_core.models.registry import build


class Table(nn.Module):
    """Gives the image whose first byte is i the i-th row of a table of logits."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("rows", rows)

    def forward(self, images):
        return self.rows[images[:, 0, 0, 0].long()]


def numbered(count):
    """Images that say in their first byte which they are."""
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 32, 32)


def figures(model, images, labels, *, classes, batch_size=4, loss=None, **options):
    loss = loss or build_loss(Training(), classes)
    return evaluate(
        model,
        images,
        labels,
        normalise=lambda batch: batch.float(),
        loss=loss,
        classes=classes,
        batch_size=batch_size,
        **options,
    )


def test_figures_are_those_of_counting_image_by_image():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 10, generator=generator)
    labels = torch.randint(10, (50,), generator=generator)
    found = figures(Table(logits), numbered(50), labels, classes=10, batch_size=7)

    order = logits.argsort(1, descending=True).tolist()
    confusion = [[0] * 10 for _ in range(10)]
    for ranking, label in zip(order, labels.tolist(), strict=True):
        confusion[label][ranking[0]] += 1
    assert found.confusion == tuple(map(tuple, confusion))
    assert found.class_total == tuple(labels.tolist().count(label) for label in range(10))
    assert found.class_correct == tuple(confusion[label][label] for label in range(10))
    assert found.top1 == sum(found.class_correct) / 50
    assert found.top5 == sum(label in ranking[:5] for ranking, label in zip(order, labels.tolist(), strict=True)) / 50


@pytest.mark.parametrize("loss", ["cross_entropy", "nll", "mse"])
@pytest.mark.parametrize("batch_size", [1, 3, 10, 100])
def test_the_loss_is_the_mean_over_images_whatever_the_batches(loss, batch_size):
    logits = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(10) % 4
    loss = build_loss(Training(loss=loss), 4)
    found = figures(Table(logits), numbered(10), labels, classes=4, batch_size=batch_size, loss=loss)
    assert found.loss == pytest.approx(loss(logits, labels).item(), rel=1e-6)


@pytest.mark.parametrize("classes", [2, 4, 5])
def test_top5_of_at_most_five_classes_is_always_right(classes):
    logits = torch.randn(6, classes, generator=torch.Generator().manual_seed(2))
    found = figures(Table(logits), numbered(6), torch.arange(6) % classes, classes=classes)
    assert found.top5 == 1.0


def test_with_equal_logits_top5_is_not_below_top1():
    for label in range(10):
        found = figures(Table(torch.zeros(3, 10)), numbered(3), torch.full((3,), label), classes=10)
        assert found.top5 >= found.top1


def test_the_confusion_matrix_has_labels_in_rows_and_predictions_in_columns():
    logits = functional.one_hot(torch.tensor([2, 2, 0]), 3).float()
    found = figures(Table(logits), numbered(3), torch.tensor([0, 0, 1]), classes=3)
    assert found.confusion == ((0, 0, 2), (1, 0, 0), (0, 0, 0))
    assert found.class_total == (2, 1, 0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_give_a_loss_that_is_not(wrong):
    found = figures(Table(torch.full((6, 10), wrong)), numbered(6), torch.arange(6), classes=10)
    assert math.isnan(found.loss)
    assert sum(found.class_total) == 6


def test_normalise_makes_what_the_model_sees():
    seen = []
    model = Table(torch.zeros(9, 3))
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    evaluate(
        model,
        numbered(4),
        torch.zeros(4, dtype=torch.int64),
        normalise=lambda batch: batch.float() + 5,
        loss=build_loss(Training(), 3),
        classes=3,
        batch_size=3,
    )
    assert [batch.shape[0] for batch in seen] == [3, 1]
    assert torch.cat(seen)[:, 0, 0, 0].tolist() == [5, 6, 7, 8]


def test_the_model_is_in_evaluation_mode_and_records_no_gradient():
    modes = []
    model = build(Model(name="conv3-notes", dropout=(0.5,)), 10)
    model.register_forward_hook(lambda module, _, logits: modes.append((module.training, logits.requires_grad)))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    figures(model, numbered(6), torch.arange(6), classes=10)
    assert modes == [(False, False)] * 2
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def fails(*_):
    raise RuntimeError("out of memory")


@pytest.mark.parametrize("ending", ["completed", "stopped", "failed"])
def test_every_module_gets_its_own_mode_back(ending):
    model = build(Model(name="lenet-notes-bn"), 10)
    frozen = model.get_submodule("norm1").eval()
    if ending == "failed":
        with pytest.raises(RuntimeError, match="out of memory"):
            figures(model, numbered(4), torch.arange(4), classes=10, loss=fails)
    else:
        found = figures(model, numbered(4), torch.arange(4), classes=10, should_stop=lambda: ending == "stopped")
        assert (found is None) == (ending == "stopped")
    assert [module for module in model.modules() if not module.training] == [frozen]


def test_a_stop_is_obeyed_between_two_batches():
    batches = []
    model = Table(torch.zeros(12, 10))
    model.register_forward_hook(lambda *_: batches.append(1))
    found = figures(
        model, numbered(12), torch.zeros(12, dtype=torch.int64), classes=10, should_stop=lambda: len(batches) == 2
    )
    assert found is None
    assert len(batches) == 2


def test_autocast_reaches_the_forward_pass_and_not_the_loss():
    inside, outside = [], []
    model = build(Model(name="lenet-notes"), 10)
    model.register_forward_hook(lambda _, __, logits: inside.append(logits.dtype))

    def loss(logits, labels):
        outside.append(logits.dtype)
        return functional.cross_entropy(logits, labels)

    with torch.autocast("cpu", torch.bfloat16):
        figures(model, numbered(4), torch.arange(4), classes=10, loss=loss)
    figures(model, numbered(4), torch.arange(4), classes=10, loss=loss)
    assert inside == [torch.bfloat16, torch.float32]
    assert outside == [torch.float32, torch.float32]


def test_no_images_are_an_error():
    with pytest.raises(ValueError, match="no images"):
        figures(Table(torch.zeros(1, 3)), numbered(0), torch.zeros(0, dtype=torch.int64), classes=3)


def test_an_evaluation_cannot_be_changed():
    found = figures(Table(torch.zeros(3, 3)), numbered(3), torch.arange(3), classes=3)
    with pytest.raises(FrozenInstanceError):
        found.top1 = 1.0
