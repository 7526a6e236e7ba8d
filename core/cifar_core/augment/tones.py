"""Sharpness, and operations on single values of uint8 images, equal to torchvision's bit for bit.

The reference is ``torchvision.transforms.functional`` on tensors. Images are uint8 of shape (B, 3, H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor

from cifar_core.augment.colour import as_bytes, blended


def sharpened(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images, each pixel's distance from its blurred self times 1 + strength: float32 of shape (B,).

    The blur weighs a pixel 5 and each of its eight neighbours 1; pixels of the edge stay as they are.
    """
    wide = images.short()
    rows = (wide[:, :, :-2] + wide[:, :, 1:-1]).add_(wide[:, :, 2:])
    sums = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).add_(wide[:, :, 1:-1, 1:-1], alpha=4)
    blurred = images.float()
    # Whole thirteenths are never halfway between two numbers: any way to compute them rounds alike.
    blurred[:, :, 1:-1, 1:-1] = sums.float().mul_(1 / 13).round_()
    return blended(images, blurred, strengths)


def posterized(images: Tensor, bits: Tensor) -> Tensor:
    """Return the images with only the first ``bits`` of each value kept: 1 to 8, float32 of shape (B,)."""
    masks = torch.bitwise_left_shift(255, 8 - bits.int()).to(torch.uint8)
    return images & masks.view(-1, 1, 1, 1)


def solarized(images: Tensor, thresholds: Tensor) -> Tensor:
    """Return the images with values from the threshold on inverted: 0 to 255, float32 of shape (B,)."""
    chosen = images >= thresholds.ceil().to(torch.uint8).view(-1, 1, 1, 1)
    return images ^ chosen.to(torch.uint8).mul_(255)


def inverted(images: Tensor) -> Tensor:
    """Return 255 less each value."""
    return ~images


def autocontrasted(images: Tensor) -> Tensor:
    """Return the images with each channel's values spread linearly over 0..255; one of a single value as it is."""
    lowest, highest = (extreme.float() for extreme in (images.amin((2, 3), True), images.amax((2, 3), True)))
    single = lowest == highest
    scale = torch.where(single, 1.0, 255 / (highest - lowest))
    return as_bytes(images.float().sub_(torch.where(single, 0.0, lowest)).mul_(scale))


def equalized(images: Tensor) -> Tensor:
    """Return the images with each channel's values spread so that all become about equally frequent.

    Value v becomes (pixels below v + step // 2) // step, where a step is a 255th of the pixels that do not have the
    channel's highest value; less than one pixel, and the channel stays as it is. That is Pillow's definition.
    """
    count, channels, height, width = images.shape
    values = images.flatten(2).long()
    counts = torch.zeros(count, channels, 256, dtype=torch.int32, device=images.device)
    counts.scatter_add_(2, values, counts.new_ones(1, 1, 1).expand_as(values))
    at_highest = counts.gather(2, values.amax(2, keepdim=True))
    step = (height * width - at_highest) // 255
    below = counts.cumsum(2, dtype=torch.int32) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    table = torch.where(step == 0, torch.arange(256, dtype=torch.int32, device=images.device), table)
    return table.to(torch.uint8).gather(2, values).view_as(images)
