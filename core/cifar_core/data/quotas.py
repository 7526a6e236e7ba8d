"""How many images of each class are taken, in whole numbers; without torch, so that sizes are told at once."""

from __future__ import annotations

from collections.abc import Sequence


def in_proportion(sizes: Sequence[int], count: int) -> list[int]:
    """Return how many of ``count`` images each class gives, that has ``sizes`` of them; the sum is ``count``.

    Shares are rounded down and what is then missing goes to the classes that lost most by it, the lower label first
    among equals; so a class is less than one image off its share.
    """
    total = sum(sizes)
    takes = [size * count // total for size in sizes]
    most_lost = sorted(range(len(sizes)), key=lambda label: sizes[label] * count % total, reverse=True)
    for label in most_lost[: count - sum(takes)]:
        takes[label] += 1
    return takes


def long_tail(sizes: Sequence[int], imbalance: float) -> list[int]:
    """Return how many images each class keeps of its ``sizes``: all of the first, 1/imbalance of the last.

    In between the share falls exponentially, and numbers are rounded down: CIFAR-10 with an imbalance of 100 keeps
    5000, 2997, 1796, 1077, 645, 387, 232, 139, 83 and 50 images of its classes.
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", arXiv 1901.05555; rounded as in Cao et al.,
    "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", arXiv 1906.07413.
    """
    last = max(len(sizes) - 1, 1)
    return [int(size / imbalance ** (label / last)) for label, size in enumerate(sizes)]
