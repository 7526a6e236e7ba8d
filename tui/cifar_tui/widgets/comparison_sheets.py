"""The tables of a comparison as a screen shows them: a run has the same line in its titles as in the chart."""

from __future__ import annotations

from collections.abc import Sequence

from cifar_experiments.comparing import Compared
from cifar_tui import comparison
from cifar_tui.comparison import Group
from cifar_tui.comparison_plot import STYLES
from cifar_tui.widgets.cells import specimen
from cifar_tui.widgets.run_columns import state_words
from cifar_tui.widgets.shapes import Row

Table = tuple[list[Row], list[list[Row]]]
"""Titles, and the cells of each row."""


def runs(compared: Sequence[Compared], groups: Sequence[Group], names: Sequence[str], *, plain: bool) -> Table:
    """Return a row for each run, and below them one for each group of several seeds or folds."""
    grid = comparison.runs_grid(compared, names)
    spreads = comparison.spreads(compared, groups, plain=plain)
    wide = max((len(percent) for *_, percent in spreads), default=0)
    longest = max((len(state_words(row[1], ascii=plain)[0]) for row in grid.rows), default=0)
    body: list[list[Row]] = []
    for number, (name, state, accuracy, epochs, spent, _) in enumerate(grid.rows):
        lead: Row = [*_sign(number, plain), (f" {name}", "")]
        words, key = state_words(state, ascii=plain)
        body.append([lead, [(words.ljust(longest), key)], [(accuracy.ljust(wide), "")], [(epochs, "")], [(spent, "")]])
    for name, count, percent in spreads:
        body.append([[(name, "strong")], [(count, "strong")], [(percent.ljust(wide), "strong")], [], []])
    lead_title, state_title, *titles = grid.titles[:-1]
    return [[(title, "head")] for title in (lead_title, state_title.ljust(longest), *titles)], body


def differences(compared: Sequence[Compared], names: Sequence[str], *, plain: bool) -> Table:
    """Return the keys of the configuration that differ, a column for each run."""
    grid = comparison.differences_grid(compared, names)
    body: list[list[Row]] = [[[(key, "strong")], *([(text, "")] for text in values)] for key, *values in grid.rows]
    return [[("key", "head")], *_signs(names, plain)], body


def classes(compared: Sequence[Compared], names: Sequence[str], *, plain: bool) -> Table:
    """Return the accuracy of each class, a column for each run, and at last how far apart they are."""
    grid = comparison.classes_grid(compared, names)
    body: list[list[Row]] = []
    for name, *shares, difference in grid.rows:
        highest = max(shares, key=lambda share: float(share or "-1"))
        cells: list[Row] = [[(share, "good" if difference and share == highest else "")] for share in shares]
        body.append([[(name, "strong")], *cells, [(difference, "muted")]])
    return [[("class", "head")], *_signs(names, plain), [("diff.", "head")]], body


def _signs(names: Sequence[str], plain: bool) -> list[Row]:
    """Return the titles of the columns of runs: signs alone, for names are long."""
    return [_sign(number, plain) for number in range(len(names))]


def _sign(number: int, plain: bool) -> Row:
    """Return the line of a run and its number, counted from 1."""
    return [*specimen(STYLES[number], plain), (f" {number + 1}", "head")]
