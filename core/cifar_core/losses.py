"""The losses: each maps logits and labels to one number, the mean over the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import Tensor

from cifar_core.config import Training

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps float logits of shape (N, classes) to a scalar, given the targets.

Targets are labels, int64 of shape (N,), or each class's share, float32 of shape (N, classes) and 1 in every row.
"""


def build(config: Training, classes: int) -> Loss:
    """Return the loss that ``config.loss`` names.

    "cross_entropy" may smooth its labels (Szegedy et al., arXiv 1512.00567, section 7); "nll" is the same
    without smoothing, made of its two halves; "mse" is the mean, over images and classes, of the squared
    distance of the logits to the targets as shares, as ``torch.nn.MSELoss`` takes it. "nll" takes labels only.
    """
    match config.loss:
        case "cross_entropy":
            return partial(F.cross_entropy, label_smoothing=config.label_smoothing)
        case "nll":
            return _negative_log_likelihood
        case "mse":
            return partial(_squared_error, classes=classes)


def _negative_log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    return F.nll_loss(F.log_softmax(logits, dim=1), labels)


def _squared_error(logits: Tensor, targets: Tensor, *, classes: int) -> Tensor:
    shares = targets if targets.is_floating_point() else F.one_hot(targets, classes)
    return F.mse_loss(logits, shares.to(logits.dtype))
