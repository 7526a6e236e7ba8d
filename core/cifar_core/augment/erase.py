"""Squares and rectangles of normalised images set to 0, which is the mean colour."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cifar_core.augment.rectangles import outside

# The defaults of torchvision's RandomErasing.
_AREA = (0.02, 0.33)
_RATIO = (0.3, 3.3)
_TRIES = 10


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> None:
    """Set a square of each image to 0, in place (DeVries and Taylor, arXiv 1708.04552).

    The square's centre is uniform over the image, so it may stand over the edge. It covers ``side``
    pixels from ``side // 2`` before the centre on: for an even side, as the paper's own code does.

    Args:
        images: float32 of shape (B, 3, H, W).
        side: Of the square, in pixels.
        generator: On the images' device.
    """
    count, _, height, width = images.shape
    tops = torch.randint(height, (count, 1), generator=generator, device=images.device) - side // 2
    lefts = torch.randint(width, (count, 1), generator=generator, device=images.device) - side // 2
    # A product with floats: on a CPU several times as fast as masked_fill_, and nothing here is infinite.
    images.mul_(outside(tops, lefts, side, side, height, width))


def erase(images: Tensor, share: float, generator: torch.Generator) -> None:
    """Set a rectangle of some images to 0, in place (Zhong et al., arXiv 1708.04896).

    It covers 2 to 33 % of the image, is 0.3 to 3.3 times as high as wide, and lies inside the image.
    torchvision's RandomErasing tries up to ten times to find one that fits; here ten are drawn at
    once, and the first that fits is taken.

    Args:
        images: float32 of shape (B, 3, H, W).
        share: Probability of each image to be erased from.
        generator: On the images' device.
    """
    count, _, height, width = images.shape
    place = torch.rand(3, count, 1, generator=generator, device=images.device)
    shape = torch.rand(2, count, _TRIES, generator=generator, device=images.device)
    area = height * width * (_AREA[0] + (_AREA[1] - _AREA[0]) * shape[0])
    ratio = torch.exp(math.log(_RATIO[0]) + math.log(_RATIO[1] / _RATIO[0]) * shape[1])
    heights, widths = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (heights < height) & (widths < width)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)  # 0 where none fits, too
    erased = (place[0] < share) & fits.gather(1, first)
    high, wide = heights.gather(1, first), widths.gather(1, first)
    tops = (place[1] * (height - high + 1)).floor()
    lefts = (place[2] * (width - wide + 1)).floor()
    images.mul_(outside(tops, lefts, high * erased, wide, height, width))
