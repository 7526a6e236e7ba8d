"""Mixup and cutmix: every image is mixed with another of its batch, by a share of its own, and so is its label."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cifar_core.augment.host import sent
from cifar_core.augment.rectangles import outside
from cifar_core.config import Augment
from cifar_core.randomness import derived_seed


def mixed(
    images: Tensor, labels: Tensor, config: Augment, classes: int, batch_size: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the images mixed, and the share of each class in them.

    Mixup (Zhang et al., arXiv 1710.09412) adds two images up, cutmix (Yun et al., arXiv 1905.04899) pastes a rectangle
    of one into the other. The papers draw one share for a whole batch, here each image has its own. Where both are
    configured, each image gets one of the two, either with equal probability: one choice for a batch would be shared.

    All of it is drawn on the host: torch draws from no Beta distribution by a generator.

    Args:
        images: float32 of shape (B, 3, H, W); left as they are.
        labels: int64 of shape (B,).
        config: Its ``mixup`` and ``cutmix`` are the a of Beta(a, a), 0 for none; one of them is not 0.
        classes: How many there are.
        batch_size: So many images, from the first on, are a batch, the last one smaller where it must be.
        seed: Of all that is drawn.

    Returns:
        float32 of shape (B, 3, H, W); and float32 of shape (B, classes), 1 in every row.
    """
    count, _, height, width = images.shape
    generator = np.random.default_rng(derived_seed(seed, "mixing"))
    partners = sent(_partners(count, batch_size, generator), images.device)
    pastes = generator.random(count) < bool(config.cutmix) / (bool(config.cutmix) + bool(config.mixup))
    parameter = np.where(pastes, config.cutmix, config.mixup)
    drawn = generator.beta(parameter, parameter)
    blend = np.where(pastes, 1.0, drawn)
    top, left, high, wide = _boxes(np.where(pastes, 1 - drawn, 0.0), height, width, generator)
    share = blend * (1 - high * wide / (height * width))
    numbers = np.stack((top, left, high, wide, blend, share)).astype(np.float32)[..., None]
    tops, lefts, heights, widths, blends, shares = sent(numbers, images.device).unbind()
    weights = blends[..., None, None] * outside(tops, lefts, heights, widths, height, width)
    own = (labels[:, None] == torch.arange(classes, device=labels.device)).float()
    return (
        torch.lerp(images.index_select(0, partners), images, weights),
        torch.lerp(own.index_select(0, partners), own, shares),
    )


def _partners(count: int, batch_size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return which image each is mixed with: a random order of each batch, in which some may meet themselves."""
    whole = count - count % batch_size
    batches = np.arange(whole).reshape(-1, batch_size)
    rest = np.arange(whole, count)
    return np.concatenate((generator.permuted(batches, axis=1).ravel(), generator.permutation(rest)))


def _boxes(
    areas: NDArray[np.float64], height: int, width: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], ...]:
    """Return tops, lefts, heights and widths, in pixels, of rectangles of these shares of the image's area.

    They have the image's proportions and are centred anywhere in it, so the edge may cut them off.
    """
    spans = []
    for length in (height, width):
        centre = generator.integers(length, size=len(areas))
        half = (np.sqrt(areas) * length / 2).astype(np.int64)
        first = np.maximum(centre - half, 0)
        spans.append((first, np.minimum(centre + half, length) - first))
    (tops, heights), (lefts, widths) = spans
    return tops, lefts, heights, widths
