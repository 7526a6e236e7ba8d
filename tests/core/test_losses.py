"""The losses against the formulas that they are named for."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import nn

from cifar_core.config import Training
from cifar_core.losses import build

LOGITS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_the_mean_against_the_smoothed_labels(smoothing):
    target = torch.full((7, 5), smoothing / 5)
    target[torch.arange(7), LABELS] += 1 - smoothing
    expected = -(target * LOGITS.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(build(Training(label_smoothing=smoothing), 5)(LOGITS, LABELS), expected)


def test_nll_of_log_softmax_equals_cross_entropy():
    loss = build(Training(loss="nll"), 5)(LOGITS, LABELS)
    torch.testing.assert_close(loss, build(Training(), 5)(LOGITS, LABELS))


def test_mse_is_the_mean_over_images_and_classes_of_the_distance_to_one_hot():
    one_hot = torch.eye(5)[LABELS]
    loss = build(Training(loss="mse"), 5)(LOGITS, LABELS)
    torch.testing.assert_close(loss, nn.MSELoss()(LOGITS, one_hot))
    torch.testing.assert_close(loss, (LOGITS - one_hot).square().sum() / 35)


@pytest.mark.parametrize("loss", get_args(Training.model_fields["loss"].annotation))
def test_every_configurable_loss_is_a_differentiable_number(loss):
    logits = LOGITS.clone().requires_grad_()
    value = build(Training(loss=loss), 5)(logits, LABELS)
    value.backward()
    assert value.shape == ()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", get_args(Training.model_fields["loss"].annotation))
def test_logits_that_are_not_numbers_give_a_loss_that_is_none(loss):
    logits = torch.full((2, 5), math.nan)
    assert build(Training(loss=loss), 5)(logits, LABELS[:2]).isnan()
