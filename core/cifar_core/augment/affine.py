"""Shear, translation and rotation of uint8 images by nearest neighbours, black where nothing comes from.

Equal to torchvision's (``torchvision.transforms.functional.affine`` and ``rotate`` on tensors, with their defaults)
pixel for pixel: coordinates are computed by the same arithmetic in float32, so that ties go the same way.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import Tensor

OPERATIONS = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def matrix(operation: str, magnitude: float, height: int, width: int) -> tuple[float, ...]:
    """Return (a, b, c, d, e, f): what stands at (x, y) afterwards comes from (ax + by + c, dx + ey + f).

    Coordinates are pixels from the image's centre, x to the right and y down.

    Args:
        operation: One of ``OPERATIONS``.
        magnitude: Pixels of shift in a pixel of distance from the top (ShearX) or left (ShearY) edge;
            pixels to the right or down, broken ones cut off; or degrees anticlockwise.
        height: Of the image, in pixels.
        width: Likewise.
    """
    match operation:
        case "ShearX":
            return (1, magnitude, magnitude * height / 2, 0, 1, 0)
        case "ShearY":
            return (1, 0, 0, magnitude, 1, magnitude * width / 2)
        case "TranslateX":
            return (1, 0, -int(magnitude), 0, 1, 0)
        case "TranslateY":
            return (1, 0, 0, 0, 1, -int(magnitude))
        case _:
            cosine, sine = math.cos(math.radians(magnitude)), math.sin(math.radians(magnitude))
            return (cosine, -sine, 0, sine, cosine, 0)


def sources(matrices: Tensor, height: int, width: int) -> Tensor:
    """Return which pixel each pixel of the transformed image comes from.

    Args:
        matrices: float32 of shape (N, 6), rows as ``matrix`` returns them.
        height: Of the images.
        width: Likewise.

    Returns:
        int64 of shape (N, height * width): numbers of pixels, row by row; height * width for none.
    """
    # From -1 to 1 over the image, and from there to pixels, as torch's grid_sample does it.
    size = matrices.new_tensor([width, height])
    across, down, shift = (matrices.view(-1, 2, 3) / (0.5 * size)[:, None]).view(-1, 1, 1, 2, 3).unbind(4)
    x = (torch.arange(width, device=matrices.device) - (width - 1) / 2).view(1, 1, -1, 1)
    y = (torch.arange(height, device=matrices.device) - (height - 1) / 2).view(1, -1, 1, 1)
    places = x * across + y * down + shift
    columns, rows = (((places + 1) * size - 1) / 2).round().unbind(3)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return torch.where(inside, rows * width + columns, height * width).long().flatten(1)


def warped(images: Tensor, sources: Tensor) -> Tensor:
    """Return the images, uint8 of shape (B, 3, H, W), with pixels from ``sources``, int64 of shape (B, H * W)."""
    with_black = F.pad(images.flatten(2), (0, 1))
    return with_black.gather(2, sources[:, None].expand(-1, images.shape[1], -1)).view_as(images)
