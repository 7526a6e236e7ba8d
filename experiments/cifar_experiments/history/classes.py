"""What an evaluation says of single classes: how well each is recognised, and what it is taken for."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from cifar_core.events import Evaluated


class ClassAccuracy(NamedTuple):
    """How well one class is recognised."""

    name: str
    accuracy: float | None
    """Share, 0 to 1; None where no image is of this class."""
    change: float | None
    """Since the evaluation before; None where there was none."""
    correct: int
    total: int


class Confused(NamedTuple):
    """Images of one class that were taken for another one."""

    label: str
    prediction: str
    images: int


def per_class(now: Evaluated, before: Evaluated | None, names: Sequence[str]) -> list[ClassAccuracy]:
    """Return each class as the evaluation ``now`` found it, the best first, and how it has changed since ``before``.

    Classes that have no name are known by their number.
    """
    rows = []
    for label, (correct, total) in enumerate(zip(now.class_correct, now.class_total, strict=True)):
        accuracy = _share(correct, total)
        known = before is not None and label < len(before.class_total)
        earlier = _share(before.class_correct[label], before.class_total[label]) if before and known else None
        change = None if accuracy is None or earlier is None else accuracy - earlier
        rows.append(ClassAccuracy(_name(label, names), accuracy, change, correct, total))
    return sorted(rows, key=lambda row: -1.0 if row.accuracy is None else row.accuracy, reverse=True)


def most_confused(evaluation: Evaluated, names: Sequence[str], limit: int) -> list[Confused]:
    """Return what was taken for something else, the most frequent first, at most ``limit``."""
    wrong = (
        (count, label, prediction)
        for label, counts in enumerate(evaluation.confusion)
        for prediction, count in enumerate(counts)
        if count and label != prediction
    )
    worst = heapq.nlargest(limit, wrong, key=lambda found: found[0])
    return [Confused(_name(label, names), _name(prediction, names), count) for count, label, prediction in worst]


def _share(correct: int, total: int) -> float | None:
    return correct / total if total else None


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else str(label)
