"""Rectangles in a block of images, one for each."""

from __future__ import annotations

import torch
from torch import Tensor


def outside(
    tops: Tensor, lefts: Tensor, heights: Tensor | int, widths: Tensor | int, height: int, width: int
) -> Tensor:
    """Return 0 within a rectangle and 1 outside: float32 of shape (B, 1, height, width).

    Args:
        tops: Of shape (B, 1), the first row; it may lie above the image.
        lefts: Likewise, the first column.
        heights: Likewise or one for all, how many rows; these may reach beyond the image.
        widths: Likewise, how many columns.
        height: Of the images, in pixels.
        width: Likewise.
    """
    rows = _beyond(tops, heights, height)
    columns = _beyond(lefts, widths, width)
    return torch.maximum(rows[:, None, :, None], columns[:, None, None, :])


def _beyond(first: Tensor, size: Tensor | int, length: int) -> Tensor:
    """Return float32 of shape (B, length): 0 in ``size`` places from ``first`` on, 1 in all others."""
    place = torch.arange(length, device=first.device)
    return ((place < first) | (place >= first + size)).float()
