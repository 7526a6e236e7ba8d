"""``cifar-tui compare``: several runs side by side, as tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cifar_core.errors import CifarError, ConfigError, printable
from cifar_tui.run_cli import runs_dir_option

if TYPE_CHECKING:
    from rich.table import Table

    from cifar_tui.comparison import Grid

_WIDTH_OF_FILES = 1000
"""Columns where no terminal cuts lines: a table is as wide as what it holds."""


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN...")
@runs_dir_option
def compare(*, names: tuple[str, ...], runs_dir: Path | None) -> None:
    """Compare two or more RUNs: accuracies, their spread over seeds or folds, configurations and classes.

    A run that cannot be read is named on standard error, and the others are compared.
    """
    from rich.console import Console

    from cifar_experiments import comparing
    from cifar_experiments.runs import find
    from cifar_tui import comparison
    from cifar_tui.terminal import say

    there = list(dict.fromkeys(find(name, runs_dir) for name in names))
    if len(there) < 2:
        raise ConfigError("a comparison takes two runs or more; cifar-tui runs list shows what there is")
    compared = []
    fault: CifarError | None = None
    for run in there:
        try:
            compared.append(comparing.read(run))
        except CifarError as error:
            fault = error
            say(str(error))
    if not compared and fault is not None:
        raise fault
    groups = comparing.groups(compared)
    labels = comparison.labels(compared, groups)
    plain = not sys.stdout.encoding.lower().startswith("utf")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
    console.print(_table(comparison.runs_grid(compared, labels)))
    for line in comparison.spread_lines(compared, groups, plain=plain):
        console.print(line, markup=False)
    for title, grid in (
        ("Configuration", comparison.differences_grid(compared, labels)),
        ("Accuracy by class, %", comparison.classes_grid(compared, labels)),
    ):
        if grid.rows:
            console.print(_table(grid, title))


def _table(grid: Grid, title: str = "") -> Table:
    """Return a table of plain texts; the first column is set left, the others right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for place, name in enumerate(grid.titles):
        table.add_column(Text(name.strip()), justify="right" if place else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(printable(text)) for text in row))
    return table
