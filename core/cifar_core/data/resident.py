"""Images that live on the device; and how blocks of images, from there or elsewhere, become batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from cifar_core.clock import Clock
from cifar_core.data.dataset import Images

# Enough to spread the cost of a call over many small batches, and little enough to stay in a CPU's cache:
# gathering and normalising takes 0.7 us an image in blocks of 512, 1.9 us in blocks of 2,048.
BLOCK_IMAGES = 512


def to_device(split: Images, device: torch.device) -> Images:
    """Return the same images and labels on ``device``, still uint8."""
    return Images(split.images.to(device), split.labels.to(device))


class Resident:
    """The source of ``data.loader = "resident"``: all training images stay on the device."""

    def __init__(self, train: Images, device: torch.device) -> None:
        self.train = to_device(train, device)
        self.place: dict[str, str] = {}

    def blocks(self, _epoch: int, order: Tensor, size: int, first: int) -> Iterator[Tensor]:
        """Yield the blocks of ``order``, as ``sources.Source`` says; ``order`` is on the device, too."""
        for indices in order.split(size)[first:]:
            yield self.train.images.index_select(0, indices)

    def close(self) -> None:
        """Nothing but the images is held."""


def shuffled(count: int, seed: int, device: torch.device) -> Tensor:
    """Return the numbers below ``count`` in an order drawn by ``seed``: int64 of shape (count,)."""
    # Drawn on the CPU, so that one seed gives one order on every device.
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(device)


def block_size(batch_size: int) -> int:
    """Return how many images are gathered and augmented at a time: so many batches, whole ones."""
    return max(1, BLOCK_IMAGES // batch_size) * batch_size


def batches(
    load: Callable[[Tensor, int, int], Iterator[Tensor]],
    labels: Tensor,
    order: Tensor,
    batch_size: int,
    augment: Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]],
    clock: Clock,
    start: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images, targets) batch by batch in the given order; the last batch may be smaller.

    Args:
        load: Yields the uint8 images of one block of an order after the other: of the order, blocks of this size, from
            this number on (``sources.Source.blocks``).
        labels: int64: of all the images that ``order`` indexes.
        order: int64 of shape (N,), on the device of ``labels``.
        batch_size: Images in a batch.
        augment: Maps uint8 images, their labels and indices (int64) and the number of the block to float images and
            targets; ``batch_size`` of them, from the first on, are a batch.
        clock: Charged with "data" while a block is prepared, with "training" otherwise.
        start: How many batches to leave out at the beginning; the others are what they would be with them.
    """
    size = block_size(batch_size)
    first, done = divmod(start, size // batch_size)
    loaded = load(order, size, first)
    for number, indices in enumerate(order.split(size)[first:], first):
        clock.enter("data")
        images, targets = augment(next(loaded), labels.index_select(0, indices), indices, number)
        clock.enter("training")
        block = zip(images.split(batch_size), targets.split(batch_size), strict=True)
        yield from itertools.islice(block, done, None)
        done = 0
