"""Several runs side by side: where their configurations differ, how far seeds and folds spread, which classes gain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cifar_core.errors import ConfigError, printable
from cifar_core.events import Evaluated, RunStarted, Split
from cifar_core.wording import dotted
from cifar_experiments.history import History, View
from cifar_experiments.presets import files
from cifar_experiments.presets.toml import toml_value
from cifar_experiments.runs import Run, Summary, current, read_events

_LABELS = ("name", "description")
"""Keys that say what a run is called, and decide nothing."""
REPETITIONS = ("training.seed", "data.fold")
"""Keys whose values are as good as each other: runs that differ in these alone are repetitions."""
_SPLITS: tuple[Split, ...] = ("test", "val")


@dataclass(frozen=True, slots=True)
class Compared:
    """One run, read as a whole."""

    run: Run
    summary: Summary
    """As it is now."""
    values: Mapping[str, str]
    """Dotted keys of its configuration and their values as TOML, in order; one without a value is not there."""
    history: History
    evaluations: Mapping[Split, Evaluated]
    """The newest on the validation and on the test images."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that is not the same in all runs."""

    key: str
    values: tuple[str | None, ...]
    """Of each run, as TOML; None where it has no value or no such key."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far apart values are that differ by chance."""

    mean: float
    deviation: float | None
    """Sample standard deviation (divided by n - 1); None of one value."""
    count: int


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How well each run recognises one class."""

    name: str
    accuracies: tuple[float | None, ...]
    """Share of its images, 0 to 1; None for a run that does not have the class, or was not evaluated on the split."""
    difference: float | None
    """Highest minus lowest; None of fewer than two."""


def read(run: Run) -> Compared:
    """Read a run's configuration, summary and all of its events; a torn last line is where they end.

    The configuration is taken as it stands there, so that a run of another version can be compared too.

    Raises:
        ConfigError: The configuration cannot be read.
        RunFolderError: The summary or the events cannot be read, or a whole line of these is no event.
    """
    history = History()
    evaluations: dict[Split, Evaluated] = {}
    for event in read_events(run.events):
        history.apply(event)
        if isinstance(event, Evaluated) and event.split in _SPLITS:
            evaluations[event.split] = event
    return Compared(run, current(run), _values(run), history, MappingProxyType(evaluations))


def _values(run: Run) -> Mapping[str, str]:
    values: dict[str, str] = {}
    _, tree = files.read(run.toml)
    for section, table in tree.items():
        leaves = (
            {(section, key): value for key, value in table.items()} if isinstance(table, dict) else {(section,): table}
        )
        for key, value in leaves.items():
            name = dotted(key)
            try:
                values[name] = toml_value(value)
            except (TypeError, RecursionError) as error:
                raise ConfigError(f"{printable(run.toml)}: {name}: {printable(error)}") from None
    return MappingProxyType(values)


def differences(compared: Sequence[Compared]) -> list[Difference]:
    """Return the keys that are not the same in all runs, section by section.

    What the runs are called is left out. Values are the same if their TOML is.
    """
    keys = dict.fromkeys(key for each in compared for key in each.values if key not in _LABELS)
    sections = list(dict.fromkeys(_section(key) for key in keys))
    found = []
    for key in sorted(keys, key=lambda key: sections.index(_section(key))):
        values = tuple(each.values.get(key) for each in compared)
        if len(set(values)) > 1:
            found.append(Difference(key, values))
    return found


def groups(compared: Sequence[Compared]) -> list[tuple[int, ...]]:
    """Return the indices of the runs that differ in nothing but their seed and fold, in the order of their first ones.

    What runs are called does not count. Everything else does: other images may lie at another ``data.root``, and
    another ``training.device`` or other ``training.threads`` add up in another order, so that their share in the
    spread would be taken for the seed's. A run that went on from another one's checkpoint is no equal of one that
    made all of its steps itself: it goes with those of the same parent.
    """
    alike: dict[object, list[int]] = {}
    for index, each in enumerate(compared):
        values = {key: value for key, value in each.values.items() if key not in (*_LABELS, *REPETITIONS)}
        alike.setdefault((each.summary.parent, frozenset(values.items())), []).append(index)
    return [tuple(group) for group in alike.values()]


def spread(values: Sequence[float]) -> Spread | None:
    """Return mean and standard deviation of finite values; None of none."""
    if not values:
        return None
    mean = _mean(values)
    deviation = math.hypot(*(value - mean for value in values)) / math.sqrt(len(values) - 1) if values[1:] else None
    return Spread(mean, deviation, len(values))


def accuracy(compared: Compared) -> float | None:
    """Return what a table shows of a run: the newest top-1 on the test images, else the best on the validation images.

    0 to 1; None where neither was measured.
    """
    summary = compared.summary
    return summary.best_top1 if summary.final_top1 is None else summary.final_top1


def held_out_accuracy(compared: Compared) -> float | None:
    """Return what a fold is judged by: the newest top-1 on the images held out, 0 to 1; None where it was not measured.

    Not the best: that was chosen by these very images.
    """
    evaluation = compared.evaluations.get("val")
    return None if evaluation is None else evaluation.top1


def common_split(compared: Sequence[Compared]) -> Split | None:
    """Return the split that most of the runs were evaluated on, of two the test images; None where there is none."""
    counts = {split: sum(split in each.evaluations for each in compared) for split in _SPLITS}
    most = max(_SPLITS, key=lambda split: counts[split])
    return most if counts[most] else None


def per_class(compared: Sequence[Compared]) -> list[ClassRow]:
    """Return how well each run recognises each class, those first in which the runs differ most.

    Classes are matched by name, and accuracies are of the newest evaluation on the ``common_split`` alone.
    """
    split = common_split(compared)
    if split is None:
        return []
    found = [_class_accuracies(each.evaluations.get(split), each.history.started) for each in compared]
    rows = []
    for name in dict.fromkeys(name for classes in found for name in classes):
        accuracies = tuple(classes.get(name) for classes in found)
        known = [share for share in accuracies if share is not None]
        rows.append(ClassRow(name, accuracies, max(known) - min(known) if len(known) > 1 else None))
    return sorted(rows, key=lambda row: -1.0 if row.difference is None else row.difference, reverse=True)


def _class_accuracies(evaluation: Evaluated | None, started: RunStarted | None) -> dict[str, float | None]:
    if evaluation is None:
        return {}
    names = started.classes if started else ()
    counts = enumerate(zip(evaluation.class_correct, evaluation.class_total, strict=False))
    return {
        names[label] if label < len(names) else str(label): correct / total if total else None
        for label, (correct, total) in counts
    }


def mean_curve(views: Sequence[View]) -> list[tuple[float, float, float, float]]:
    """Return (x, mean - deviation, mean + deviation, mean) of the column means of several seeds, column by column.

    Columns in which any of the views has no points are left out: a mean that a seed enters or leaves would jump.
    x is the middle of what a column stands for. The deviation is that of ``spread``; with one view there is none, and
    all three figures are the mean.

    Raises:
        ValueError: The views are not of one window and one width.
    """
    if len({(view.first, view.last, view.width) for view in views}) > 1:
        raise ValueError("curves of different windows or widths have no common columns")
    by_place = [{column.place: column for column in view.columns} for view in views]
    curve = []
    for place in by_place[0] if by_place else ():
        columns = [columns[place] for columns in by_place if place in columns]
        over = spread([column.mean for column in columns])
        if over is not None and over.count == len(views):
            apart = over.deviation or 0.0
            x = _mean([(column.begin + column.end) / 2 for column in columns])
            curve.append((x, over.mean - apart, over.mean + apart, over.mean))
    return curve


def _mean(values: Sequence[float]) -> float:
    # Counted from one of them: so the mean of equal values is just that value.
    return values[0] + math.fsum(value - values[0] for value in values) / len(values)


def _section(key: str) -> str:
    return key.partition(".")[0]
