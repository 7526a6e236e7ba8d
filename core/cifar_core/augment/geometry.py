"""Mirroring and cropping: pixels move, none changes."""

from __future__ import annotations

import torch
from torch import Tensor


def mirrored(images: Tensor, flips: Tensor) -> Tensor:
    """Return the images, those where ``flips`` (bool of shape (B,)) is true mirrored left-right."""
    # Bit by bit, since on a CPU torch.where takes six times as long for bytes: x ^ ((x ^ m) & all ones) is m,
    # x ^ ((x ^ m) & zero) is x.
    chosen = (flips * 255).to(torch.uint8).view(-1, 1, 1, 1)
    return images.flip(-1).bitwise_xor_(images).bitwise_and_(chosen).bitwise_xor_(images)


def cropped(images: Tensor, pad: int, padding: str, generator: torch.Generator) -> Tensor:
    """Pad each side by ``pad`` pixels and return, of each image, a window of the original size drawn uniformly."""
    tops, lefts = torch.randint(2 * pad + 1, (2, len(images)), generator=generator, device=images.device)
    # On other devices a strided view may be copied out, and this one names thousands of times its memory.
    cut = windows_by_stride if images.device.type in ("cpu", "cuda") else windows_by_gather
    return cut(padded(images, pad, padding), tops, lefts, images.shape[-2], images.shape[-1])


def padded(images: Tensor, pad: int, padding: str) -> Tensor:
    """Return images with ``pad`` more pixels on each side: "zero" (black) or "reflect" (the edge not repeated)."""
    count, channels, height, width = images.shape
    # Done by hand because torch's own reflection is not defined for bytes on every device.
    larger = images.new_zeros(count, channels, height + 2 * pad, width + 2 * pad)
    larger[:, :, pad:-pad, pad:-pad] = images
    if padding == "reflect":
        for distance in range(1, pad + 1):
            larger[..., pad - distance] = larger[..., pad + distance]
            larger[..., -pad - 1 + distance] = larger[..., -pad - 1 - distance]
        larger[..., :pad, :] = larger[..., pad + 1 : 2 * pad + 1, :].flip(-2)
        larger[..., -pad:, :] = larger[..., -2 * pad - 1 : -pad - 1, :].flip(-2)
    return larger


def windows_by_stride(images: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Return the window of each image whose corner is (tops[i], lefts[i]), both int64 of shape (B,).

    A view with overlapping strides names every place in memory where a window could begin; one
    index_select then copies row by row. On a CPU that is six times as fast as a gather.
    """
    count, channels, rows, columns = images.shape
    extent = (channels - 1) * rows * columns + (height - 1) * columns + width
    windows = images.as_strided(
        (images.numel() - extent + 1, channels, height, width),
        (1, rows * columns, columns, 1),
    )
    first = torch.arange(count, device=images.device) * (channels * rows * columns)
    return windows.index_select(0, first + tops * columns + lefts)


def windows_by_gather(images: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Return the same as ``windows_by_stride``, by the index of each single pixel."""
    count, channels, _, columns = images.shape
    rows = tops[:, None, None] + torch.arange(height, device=images.device)[:, None]
    pixels = rows * columns + lefts[:, None, None] + torch.arange(width, device=images.device)
    chosen = images.flatten(2).gather(2, pixels.flatten(1)[:, None].expand(-1, channels, -1))
    return chosen.view(count, channels, height, width)
