"""Runs side by side in words: what to call each, and the tables of a comparison."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cifar_core.errors import printable
from cifar_experiments import comparing
from cifar_experiments.comparing import Compared
from cifar_tui.run_words import duration, leading, seconds_spent

MOST_COMPARED = 8
"""As many as there are lines that can be told apart."""

_SEED, _FOLD = comparing.REPETITIONS
_MOST_VALUES = 2
"""Values that a run is called by."""

Group = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts, all of them printable."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def group_labels(compared: Sequence[Compared], groups: Sequence[Group]) -> list[str]:
    """Return what to call each group of runs: by experiments where these differ, else by the values that do."""
    firsts = [compared[group[0]] for group in groups]
    experiments = [each.summary.experiment for each in firsts]
    texts = experiments if len(set(experiments)) > 1 else [""] * len(firsts)
    differences = [each for each in comparing.differences(firsts) if each.key not in comparing.REPETITIONS]
    for difference in differences[:_MOST_VALUES]:
        if len(set(texts)) == len(texts):
            break
        name = difference.key.rpartition(".")[2]
        texts = [f"{text} {name} {_value(value)}" for text, value in zip(texts, difference.values, strict=True)]
    if len(texts) == 1:
        texts = experiments
    return _told_apart(texts, firsts)


def labels(compared: Sequence[Compared], groups: Sequence[Group]) -> list[str]:
    """Return what to call each run: as its group, and by its own experiment, seed and fold where these differ in it."""
    texts = [""] * len(compared)
    for group, text in zip(groups, group_labels(compared, groups), strict=True):
        experiments = {index: compared[index].summary.experiment for index in group}
        differing = [key for key in comparing.REPETITIONS if _differs(key, compared, group)]
        for index in group:
            texts[index] = experiments[index] if len(set(experiments.values())) > 1 else text
            for key in differing:
                texts[index] += f" {key.rpartition('.')[2]} {compared[index].values.get(key)}"
    return _told_apart(texts, compared)


def runs_grid(compared: Sequence[Compared], names: Sequence[str]) -> Grid:
    """Return state, accuracy, progress and time of each run, a row for each."""
    rows = []
    for each, name in zip(compared, names, strict=True):
        summary = each.summary
        known = leading(summary)
        accuracy = "" if known is None else f"{100 * known[0]:.2f} {known[1]:4}"
        epochs = f"{summary.epochs}/{summary.total_epochs}"
        rows.append((name, summary.state, accuracy, epochs, duration(seconds_spent(summary)), printable(each.run.id)))
    return Grid(("run", "state", "acc. %     ", "epochs", "time", "id"), tuple(rows))


def spreads(
    compared: Sequence[Compared], groups: Sequence[Group], *, plain: bool = False
) -> list[tuple[str, str, str]]:
    """Return name, count and accuracy of each group of several runs: ``("lr 0.1", "3 seeds", "54.60 ± 1.20")``.

    Folds are judged by the images that they hold out: ``("lr 0.1", "5 folds, val", "52.30 ± 0.90")``.
    """
    lines = []
    for group, name in zip(groups, group_labels(compared, groups), strict=True):
        of_folds = _differs(_FOLD, compared, group)
        judged = comparing.held_out_accuracy if of_folds else comparing.accuracy
        accuracies = [share for index in group if (share := judged(compared[index])) is not None]
        over = comparing.spread(accuracies)
        if len(group) > 1 and over is not None:
            percent = f"{100 * over.mean:.2f}"
            if over.deviation is not None:
                percent += f" {'+-' if plain else '±'} {100 * over.deviation:.2f}"
            count = f"{over.count} {repetition(compared, group)}{'s' if over.count > 1 else ''}"
            lines.append((name, f"{count}, val" if of_folds else count, percent))
    return lines


def spread_lines(compared: Sequence[Compared], groups: Sequence[Group], *, plain: bool) -> list[str]:
    """Return the same as printable lines: ``lr 0.1, 3 seeds: 54.60 ± 1.20 %``."""
    return [f"{name}, {count}: {percent} %" for name, count, percent in spreads(compared, groups, plain=plain)]


def repetition(compared: Sequence[Compared], group: Group) -> str:
    """Return what the runs of a group are: each a "seed", each a "fold" or, of several of both, each a "run"."""
    if not _differs(_FOLD, compared, group):
        return "seed"
    return "run" if _differs(_SEED, compared, group) else "fold"


def differences_grid(compared: Sequence[Compared], names: Sequence[str]) -> Grid:
    """Return the keys of the configuration that differ, with the value of each run."""
    rows = [
        (printable(each.key), *(_value(value) for value in each.values)) for each in comparing.differences(compared)
    ]
    return Grid(("key", *names), tuple(rows))


def classes_grid(compared: Sequence[Compared], names: Sequence[str]) -> Grid:
    """Return the accuracy of each class in each run, in percent, and highest minus lowest."""
    rows = [
        (printable(row.name), *(_share(share) for share in row.accuracies), _share(row.difference))
        for row in comparing.per_class(compared)
    ]
    return Grid(("class", *names, "difference"), tuple(rows))


def mean_over(compared: Sequence[Compared], groups: Sequence[Group]) -> str:
    """Return what the curves of groups are the means of: ``mean over seeds``."""
    kinds = dict.fromkeys(f"{repetition(compared, group)}s" for group in groups if len(group) > 1)
    return f"mean over {' and '.join(kinds)}"


def _differs(key: str, compared: Sequence[Compared], group: Group) -> bool:
    return len({compared[index].values.get(key) for index in group}) > 1


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _value(value: str | None) -> str:
    """Return a TOML value as it is read best: a plain text without its quotation marks."""
    if value is None:
        return "-"
    plain = re.fullmatch(r'"([^"\\]+)"', value)
    return printable(plain[1] if plain else value)


def _told_apart(texts: Sequence[str], compared: Sequence[Compared]) -> list[str]:
    """Return printable names of which no two are alike: with the end of the run's id where they were."""
    stripped = [printable(text.strip()) for text in texts]
    counts = Counter(stripped)
    return [
        text if text and counts[text] == 1 else f"{text} {printable(each.run.id.rpartition('-')[2])}".strip()
        for text, each in zip(stripped, compared, strict=True)
    ]
