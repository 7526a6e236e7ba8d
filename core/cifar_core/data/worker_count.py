"""How many workers to have: as many as turn out to be fastest."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Generator, Iterator

import torch

from cifar_core.data.workers import Workers
from cifar_core.events import Preparing

SECONDS = 0.4
"""For which each number of workers is measured, once all have begun."""
GAIN = 1.1
"""More workers must be so many times as fast: fewer leave more of the machine to the training."""


def fastest(open_with: Callable[[int], Workers], size: int) -> Generator[Preparing, None, int]:
    """Return the number of workers that load blocks fastest, 0 being none; yield progress and, last, what was found.

    Measured are none, 1, 2, 4 and so on, up to the cores that this process may use, until more bring no more.

    Args:
        open_with: Returns a source with so many workers; closed here.
        size: Images in a block.

    Raises:
        CifarError: As the source does.
    """
    cores = _cores()
    rates: dict[int, float] = {}
    for count in _candidates(cores):
        yield _told("data.workers", count, cores)
        with contextlib.closing(open_with(count)) as source:
            rates[count] = _images_per_second(source, size)
        if count > 1 and rates[count] < GAIN * rates[count // 2]:
            break
    chosen = next(count for count, rate in rates.items() if GAIN * rate >= max(rates.values()))
    found = ", ".join(f"{rate:,.0f} images/s with {count}" for count, rate in rates.items())
    yield _told(f"data.workers: {found}; taking {chosen}", cores, cores)
    return chosen


def _candidates(cores: int) -> Iterator[int]:
    yield 0
    count = 1
    while count <= cores:
        yield count
        count *= 2


def _images_per_second(source: Workers, size: int) -> float:
    order = torch.arange(len(source.train))
    received = itertools.chain.from_iterable(source.blocks(0, order, size, 0) for _ in itertools.repeat(None))
    rounds = max(1, source.count)
    for _ in range(rounds):  # the first one of each worker, who had to begin
        next(received)
    began, images, blocks = time.perf_counter(), 0, 0
    while blocks < rounds or time.perf_counter() - began < SECONDS:
        images += len(next(received))
        blocks += 1
    return images / (time.perf_counter() - began)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _told(subject: str, done: int, total: int) -> Preparing:
    return Preparing(time=time.time(), phase="measure", subject=subject, done=done, total=total)
