"""The chart of a learning-rate range test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from cifar_tui.widgets.plot import Line, Mark, Plot, Point

if TYPE_CHECKING:
    from cifar_core import lr_curve

_BELOW, _ABOVE = 0.3, 0.7
"""Room below the lowest and above the first loss, of what is between them: what diverges leaves the chart."""


def plot(
    tried: Sequence[tuple[float, float]],
    curve: Sequence[lr_curve.Point],
    suggestion: lr_curve.Suggestion,
    columns: int,
) -> Plot:
    """Return the chart: the steps' losses, their mean in each of so many columns, below the smooth curve."""
    first, lowest = curve[0].loss, suggestion.lowest.loss
    return Plot(
        lines=(
            Line("", _means(tried, columns), "raw"),
            Line("", [(point.rate, point.loss, point.loss, point.loss) for point in curve], "smooth"),
        ),
        marks=(
            Mark(suggestion.steepest.rate, suggestion.steepest.loss, "★", "steepest fall"),
            Mark(suggestion.lowest.rate, lowest, "x", "lowest"),
        ),
        x_range=(tried[0][0], tried[-1][0]),
        y_range=(lowest - _BELOW * (first - lowest), first + _ABOVE * (first - lowest)),
        title="loss over learning rate",
        x_log=True,
    )


def _means(tried: Sequence[tuple[float, float]], columns: int) -> list[Point]:
    start, end = math.log10(tried[0][0]), math.log10(tried[-1][0])
    buckets: dict[int, list[tuple[float, float]]] = {}
    for rate, loss in tried:
        buckets.setdefault(int((math.log10(rate) - start) / (end - start) * columns), []).append((rate, loss))
    means = ((math.sqrt(each[0][0] * each[-1][0]), fmean(loss for _, loss in each)) for each in buckets.values())
    return [(rate, loss, loss, loss) for rate, loss in means]
