"""Images that live on the device: gathered and augmented by the block, handed out by the batch."""

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


def shuffled(count: int, seed: int, device: torch.device) -> Tensor:
    """Return the numbers below ``count`` in an order drawn by ``seed``: int64 of shape (count,)."""
    # Drawn on the CPU, so that one seed gives one order on every device.
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(device)


def batches(
    split: Images,
    order: Tensor,
    batch_size: int,
    augment: Callable[[Tensor, Tensor, int], Tensor],
    clock: Clock,
    start: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images, labels) batch by batch in the given order; the last batch may be smaller.

    Args:
        split: What ``order`` indexes.
        order: int64 of shape (N,), on the device of ``split``.
        batch_size: Images in a batch.
        augment: Maps uint8 images, their indices (int64) and the number of the block to float images.
        clock: Charged with "data" while a block is prepared, with "training" otherwise.
        start: How many batches to leave out at the beginning; the others are what they would be with them.
    """
    per_block = max(1, BLOCK_IMAGES // batch_size)
    for number, indices in enumerate(order.split(per_block * batch_size)):
        done = start - number * per_block
        if done >= per_block:
            continue
        clock.enter("data")
        images = augment(split.images.index_select(0, indices), indices, number)
        labels = split.labels.index_select(0, indices)
        clock.enter("training")
        block = zip(images.split(batch_size), labels.split(batch_size), strict=True)
        yield from itertools.islice(block, max(0, done), None)
