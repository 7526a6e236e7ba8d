"""Augmentation of whole blocks of images on their device; every image has random parameters of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_core.config import Augment


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images, with everything that the training images themselves decide."""

    config: Augment
    mean: Tensor
    """float32 of shape (1, 3, 1, 1): each channel's, of images scaled to 0..1."""
    std: Tensor
    """float32 of shape (1, 3, 1, 1), likewise."""
    first_flips: Tensor
    """bool of shape (N,): which of the N training images alternating flip mirrors in epoch 1."""

    def normalise(self, images: Tensor) -> Tensor:
        """Return ``(images / 255 - mean) / std``: uint8 to float32, both of shape (B, 3, 32, 32)."""
        # The scale to 0..1 is folded into mean and std: two passes over the block rather than three.
        return images.float().sub_(255 * self.mean).mul_(1 / (255 * self.std))

    def __call__(self, images: Tensor, indices: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        """Return the images flipped, cropped, normalised and cut out, as configured.

        Args:
            images: uint8 of shape (B, 3, 32, 32); left as they are.
            indices: int64 of shape (B,): which training images they are.
            epoch: Counted from 1.
            generator: On the images' device; draws only what is configured, so one state gives one result.

        Returns:
            float32 of shape (B, 3, 32, 32).
        """
        config = self.config
        if config.flip == "random":
            images = _mirrored(images, torch.rand(len(images), generator=generator, device=images.device) < 0.5)
        elif config.flip == "alternating":
            # Random once, then the other way round in each epoch (Jordan, arXiv 2404.00498, section 3.6):
            # two epochs in a row show every image both ways.
            images = _mirrored(images, self.first_flips[indices] ^ (epoch % 2 == 0))
        if config.crop:
            images = _cropped(images, config.crop, config.padding, generator)
        normalised = self.normalise(images)
        if config.cutout:
            _cut_out(normalised, config.cutout, generator)
        return normalised


def prepare(config: Augment, train_images: Tensor, seed: int) -> Augmentation:
    """Return the augmentation for these training images.

    Args:
        config: What to do. Its mean and std, where given, replace the images' own.
        train_images: uint8 of shape (N, 3, 32, 32).
        seed: Of ``first_flips``, which are the same on every device.
    """
    device = train_images.device
    mean, std = _statistics(train_images) if config.mean is None or config.std is None else ((), ())
    flips = torch.rand(len(train_images), generator=torch.Generator().manual_seed(seed)) < 0.5
    return Augmentation(
        config=config,
        mean=torch.tensor(config.mean or mean, device=device).view(1, 3, 1, 1),
        std=torch.tensor(config.std or std, device=device).view(1, 3, 1, 1),
        first_flips=flips.to(device),
    )


def _statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and population standard deviation of uint8 images scaled to 0..1.

    A channel of one single value gets a deviation of 1, so that it can be divided by.
    """
    means, deviations = [], []
    for channel in images.unbind(1):
        # From counts of the 256 values: exact in whole numbers, and no image has to become float.
        counts = torch.bincount(channel.flatten(), minlength=256).tolist()
        total = sum(counts)
        first = sum(value * count for value, count in enumerate(counts))
        second = sum(value * value * count for value, count in enumerate(counts))
        means.append(first / total / 255)
        deviations.append((total * second - first * first) ** 0.5 / total / 255 or 1.0)
    return tuple(means), tuple(deviations)


def _mirrored(images: Tensor, flips: Tensor) -> Tensor:
    """Return the images, those where ``flips`` (bool of shape (B,)) is true mirrored left-right."""
    # Bit by bit, since on a CPU torch.where takes six times as long for bytes: x ^ ((x ^ m) & all ones) is m,
    # x ^ ((x ^ m) & zero) is x.
    chosen = (flips * 255).to(torch.uint8).view(-1, 1, 1, 1)
    return images.flip(-1).bitwise_xor_(images).bitwise_and_(chosen).bitwise_xor_(images)


def _cropped(images: Tensor, pad: int, padding: str, generator: torch.Generator) -> Tensor:
    """Pad each side by ``pad`` pixels and return, of each image, a window of the original size drawn uniformly."""
    tops, lefts = torch.randint(2 * pad + 1, (2, len(images)), generator=generator, device=images.device)
    padded = _padded(images, pad, padding)
    # On other devices a strided view may be copied out, and this one names thousands of times its memory.
    cut = _windows_by_stride if images.device.type in ("cpu", "cuda") else _windows_by_gather
    return cut(padded, tops, lefts, images.shape[-2], images.shape[-1])


def _padded(images: Tensor, pad: int, padding: str) -> Tensor:
    """Return images with ``pad`` more pixels on each side: "zero" (black) or "reflect" (the edge not repeated)."""
    count, channels, height, width = images.shape
    # Done by hand because torch's own reflection is not defined for bytes on every device.
    padded = images.new_zeros(count, channels, height + 2 * pad, width + 2 * pad)
    padded[:, :, pad:-pad, pad:-pad] = images
    if padding == "reflect":
        for distance in range(1, pad + 1):
            padded[..., pad - distance] = padded[..., pad + distance]
            padded[..., -pad - 1 + distance] = padded[..., -pad - 1 - distance]
        padded[..., :pad, :] = padded[..., pad + 1 : 2 * pad + 1, :].flip(-2)
        padded[..., -pad:, :] = padded[..., -2 * pad - 1 : -pad - 1, :].flip(-2)
    return padded


def _windows_by_stride(padded: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Return the window of each image whose corner is (tops[i], lefts[i]), both int64 of shape (B,).

    A view with overlapping strides names every place in memory where a window could begin; one
    index_select then copies row by row. On a CPU that is six times as fast as a gather.
    """
    count, channels, rows, columns = padded.shape
    extent = (channels - 1) * rows * columns + (height - 1) * columns + width
    windows = padded.as_strided(
        (padded.numel() - extent + 1, channels, height, width),
        (1, rows * columns, columns, 1),
    )
    first = torch.arange(count, device=padded.device) * (channels * rows * columns)
    return windows.index_select(0, first + tops * columns + lefts)


def _windows_by_gather(padded: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Return the same as ``_windows_by_stride``, by the index of each single pixel."""
    count, channels, _, columns = padded.shape
    rows = tops[:, None, None] + torch.arange(height, device=padded.device)[:, None]
    pixels = rows * columns + lefts[:, None, None] + torch.arange(width, device=padded.device)
    chosen = padded.flatten(2).gather(2, pixels.flatten(1)[:, None].expand(-1, channels, -1))
    return chosen.view(count, channels, height, width)


def _cut_out(images: Tensor, side: int, generator: torch.Generator) -> None:
    """Set a square of each image to 0, in place (DeVries and Taylor, arXiv 1708.04552).

    The square's centre is uniform over the image, so it may stand over the edge. It covers ``side``
    pixels from ``side // 2`` before the centre on: for an even side, as the paper's own code does.
    """
    count, _, height, width = images.shape
    rows = _outside(height, side, count, generator, images.device)
    columns = _outside(width, side, count, generator, images.device)
    # A product with floats: on a CPU several times as fast as masked_fill_, and nothing here is infinite.
    images.mul_(torch.maximum(rows[:, None, :, None], columns[:, None, None, :]))


def _outside(length: int, side: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return float32 of shape (count, length): 0 in an interval of ``side`` drawn for each row, 1 outside."""
    start = torch.randint(length, (count, 1), generator=generator, device=device) - side // 2
    position = torch.arange(length, device=device)
    return ((position < start) | (position >= start + side)).float()
