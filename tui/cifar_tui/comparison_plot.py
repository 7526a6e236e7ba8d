"""The curves of several runs in one chart: each run by itself, or the mean and the spread of its seeds or folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from cifar_experiments.comparing import Compared, mean_curve
from cifar_experiments.history import History, Series, View, smoothed
from cifar_tui.comparison import Group
from cifar_tui.widgets.plot import Line, Plot, Point
from cifar_tui.widgets.shapes import Style

Measure = Literal["training loss", "training accuracy", "evaluation loss", "evaluation accuracy"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

STYLES: tuple[Style, ...] = ("other1", "other2", "other3", "other4", "other5", "other6", "other7", "other8")
"""Of the runs, or of the groups, in order."""

_SERIES: dict[Measure, tuple[Callable[[History], Series], ...]] = {
    "training loss": (lambda history: history.loss,),
    "training accuracy": (lambda history: history.accuracy,),
    "evaluation loss": (lambda history: history.val_loss, lambda history: history.test_loss),
    "evaluation accuracy": (lambda history: history.val_accuracy, lambda history: history.test_accuracy),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """How the curves are to be seen."""

    measure: Measure = "evaluation accuracy"
    smoothing: float = 0.9
    """Of training curves; evaluations are few, and shown as they are."""
    log: bool = False
    grouped: bool = False


def plot(compared: Sequence[Compared], groups: Sequence[Group], names: Sequence[str], wish: Wish, columns: int) -> Plot:
    """Return the chart; ``names`` are those of the groups where ``wish.grouped`` is set, else those of the runs."""
    pick, split = _picked(compared, wish.measure)
    series = [pick(each.history) for each in compared]
    extents = [each.extent for each in series if each.extent is not None]
    first = min((low for low, _ in extents), default=0.0)
    last = max((high for _, high in extents), default=1.0)
    factor = wish.smoothing if wish.measure.startswith("training") else 0.0
    percent = 100.0 if wish.measure.endswith("accuracy") else 1.0
    views = [_smooth(each.view(first, last, columns), factor, percent) for each in series]
    lines: list[Line] = []
    for members, name, style in zip(groups if wish.grouped else _each(views), names, STYLES, strict=False):
        curve = mean_curve([views[index] for index in members])
        if len(members) > 1:
            lines.append(Line("", curve, "raw"))
        lines.append(Line(name, _thin(curve), style))
    title = wish.measure.replace("evaluation", split) + (" %" if percent > 1 else "")
    return Plot(tuple(lines), (), (first, last), log=wish.log, title=title, x_label="step")


def _picked(compared: Sequence[Compared], measure: Measure) -> tuple[Callable[[History], Series], str]:
    """Return the series that most is known of, and the name of its split: nothing is compared across splits."""
    choices = zip(_SERIES[measure], ("validation", "test"), strict=False)
    return max(choices, key=lambda choice: sum(len(choice[0](each.history)) for each in compared))


def _smooth(view: View, factor: float, scale: float) -> View:
    """Return the view with smoothed means, times ``scale``."""
    means = smoothed(view, factor)
    columns = tuple(column._replace(mean=scale * mean) for column, mean in zip(view.columns, means, strict=True))
    return View(view.first, view.last, view.width, columns)


def _each(views: Sequence[View]) -> list[Group]:
    return [(index,) for index in range(len(views))]


def _thin(curve: Sequence[Point]) -> list[Point]:
    """Return the curve without its band."""
    return [(x, mean, mean, mean) for x, _, _, mean in curve]
