"""Test-time augmentation: a network is asked about several views of each image, and its answers are averaged."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from cifar_core.augment.geometry import padded
from cifar_core.config.augment import TestTime


def averaged(images: Tensor, test_time: TestTime, logits_of: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the weighted mean of the logits of each image's views, of shape (B, classes).

    "flip" takes the image and its mirror image. "flip-shift" gives these two half of the weight, and the other half to
    the image shifted by one pixel, up and left and down and right, and to the mirror images of both; what a shift
    leaves empty is filled by reflection (Jordan, arXiv 2404.00498, section 3.5).

    Args:
        images: uint8 of shape (B, 3, H, W).
        test_time: Which views.
        logits_of: Maps such images to logits of shape (B, classes); asked once, twice or six times.
    """
    if test_time == "none":
        return logits_of(images)
    straight = _with_mirrored(images, logits_of)
    if test_time == "flip":
        return straight
    larger = padded(images, 1, "reflect")
    shifted = [_with_mirrored(window, logits_of) for window in (larger[..., :-2, :-2], larger[..., 2:, 2:])]
    return 0.5 * straight + 0.25 * (shifted[0] + shifted[1])


def _with_mirrored(images: Tensor, logits_of: Callable[[Tensor], Tensor]) -> Tensor:
    return 0.5 * (logits_of(images) + logits_of(images.flip(-1)))
