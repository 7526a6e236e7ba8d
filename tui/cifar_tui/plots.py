"""What the charts of the monitor show of a run's history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cifar_experiments.history import History, Series, View, smoothed
from cifar_tui.widgets.axes import automatic_range, drawable
from cifar_tui.widgets.plot import Line, Mark, Plot, Point
from cifar_tui.widgets.shapes import Style

STAR = "★"
_POINTS = 1000
_BROAD = 1 / 3
"""Of a chart's height: a band that is usually broader says little."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How a chart is to be looked at."""

    first: float
    last: float
    columns: int
    """In which a line is drawn, about one for each character."""
    smoothing: float = 0.0
    """Factor, at least 0 and below 1; see ``factor``."""
    log: bool = False

    @property
    def factor(self) -> float:
        """What remains of an average after a step.

        A thousandth of the window takes the place of a step where it is longer, as in TensorBoard, which shows 1,000
        points of whatever there are: so a factor smooths long runs as much as short ones.
        """
        return float(self.smoothing ** min(_POINTS / max(self.last - self.first, 1.0), 1.0))


def loss_plot(history: History, sight: Sight) -> Plot:
    """Return the losses: of the batches as they are and smoothed, on validation and test images, with the best."""
    marks: tuple[Mark, ...] = ()
    if history.best is not None and sight.first <= history.best[0] <= sight.last:
        step = history.best[0]
        there = history.val_loss.view(step, step, 1).columns
        marks = tuple(Mark(step, column.last, STAR, "best") for column in there)
    return _plot(sight, history.loss, (history.val_loss, history.test_loss), marks, 1.0)


def accuracy_plot(history: History, sight: Sight) -> Plot:
    """Return the same of the accuracies, in percent."""
    marks: tuple[Mark, ...] = ()
    if history.best is not None and sight.first <= history.best[0] <= sight.last:
        step, top1 = history.best
        marks = (Mark(step, 100 * top1, STAR, f"best {100 * top1:.1f}"),)
    return _plot(sight, history.accuracy, (history.val_accuracy, history.test_accuracy), marks, 100.0)


def _plot(
    sight: Sight, trained: Series, evaluated: tuple[Series, Series], marks: tuple[Mark, ...], scale: float
) -> Plot:
    """Return the lines from the faintest to the plainest, over a range that suits all but the extremes of batches."""
    raw = trained.view(sight.first, sight.last, sight.columns)
    xs = [(column.begin + column.end) / 2 for column in raw.columns]
    means = [scale * column.mean for column in raw.columns]
    smooth = [scale * value for value in smoothed(raw, sight.factor)]
    lines = [Line("train", [(x, y, y, y) for x, y in zip(xs, smooth, strict=True)], "smooth")]
    styles: tuple[tuple[str, Style], ...] = (("val", "validation"), ("test", "test"))
    for series, (name, style) in zip(evaluated, styles, strict=True):
        view = series.view(sight.first, sight.last, sight.columns)
        if view.columns:
            lines.append(Line(name, [(c.end, *(3 * (scale * c.last,))) for c in view.columns], style))
    extents = [(ys, ys, cut) for ys, cut in _seen(lines, means, sight.log)]
    over = automatic_range(extents, sight.log)
    y_range = (max(over.low, 0.0), min(over.high, scale)) if scale > 1 else (over.low, over.high)
    lines.insert(0, Line("", _faint(raw, xs, means, scale, over.high - over.low), "raw"))
    x_range = (sight.first, sight.last)
    return Plot(tuple(lines), marks, x_range, y_range if extents else None, sight.log, x_label="step")


def _seen(lines: Sequence[Line], means: Sequence[float], log: bool) -> Iterator[tuple[list[float], bool]]:
    """Yield values that the range is to suit, and whether outliers among them may be left out."""
    for values, cut in (
        (means, True),
        *(([point[3] for point in line.points], line.style == "smooth") for line in lines),
        *(([line.points[-1][3]], False) for line in lines if line.points),
    ):
        if found := [value for value in values if drawable(value, log)]:
            yield found, cut


def _faint(raw: View, xs: Sequence[float], means: Sequence[float], scale: float, height: float) -> Sequence[Point]:
    """Return the batches' own figures, with their extremes unless these would fill the chart.

    Those of hundreds of small batches reach from top to bottom nearly everywhere, and say nothing.
    """
    spreads = sorted(scale * (column.maximum - column.minimum) for column in raw.columns)
    if spreads and spreads[len(spreads) // 2] <= _BROAD * height:
        points = zip(xs, raw.columns, means, strict=True)
        return [(x, scale * column.minimum, scale * column.maximum, mean) for x, column, mean in points]
    return [(x, mean, mean, mean) for x, mean in zip(xs, means, strict=True)]
