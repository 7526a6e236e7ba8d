"""What is printed when a training has ended: how it went, and how well each class is known."""

from __future__ import annotations

import io
from typing import TextIO, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cifar_core.errors import printable
from cifar_core.events import Evaluated, RunFinished, RunStarted
from cifar_tui.outlet import Outlet

BAR_WIDTH = 20


def write(out: Outlet, begun: RunStarted | None, evaluated: Evaluated | None, finished: RunFinished) -> None:
    """Write the table of classes, if an evaluation was made, and a line about the whole."""
    if begun is not None and evaluated is not None:
        table = per_class(begun.classes, evaluated)
        Console(file=cast(TextIO, out), highlight=False).print(table)
        plain = io.StringIO()
        Console(file=plain, width=80, highlight=False).print(table)
        out.keep(plain.getvalue())
    out.say(in_one_line(finished))


def per_class(classes: tuple[str, ...], evaluated: Evaluated) -> Table:
    """A row for each class, the best-known first: share and number of its images that were recognised."""
    table = Table(title=f"{evaluated.split} accuracy by class, step {evaluated.step:,}", title_justify="left")
    table.add_column("class")
    table.add_column("accuracy", justify="right")
    table.add_column("", width=BAR_WIDTH)
    table.add_column("correct", justify="right")
    rows = zip(classes, evaluated.class_correct, evaluated.class_total, strict=True)
    for name, correct, total in sorted(rows, key=lambda row: -row[1] / max(row[2], 1)):
        share = correct / total if total else 0.0
        table.add_row(
            Text(printable(name)), f"{100 * share:.1f} %", "█" * round(BAR_WIDTH * share), f"{correct:,}/{total:,}"
        )
    table.add_section()
    table.add_row(
        "all",
        f"{100 * evaluated.top1:.1f} %",
        f"top-5 {100 * evaluated.top5:.1f} %",
        f"{sum(evaluated.class_correct):,}/{sum(evaluated.class_total):,}",
    )
    return table


def in_one_line(finished: RunFinished) -> str:
    """How a training ended, how good it became and where its time went."""
    parts = [f"{finished.reason} after step {finished.step:,}"]
    if finished.final_top1 is not None:
        parts.append(f"test {100 * finished.final_top1:.2f} %")
    parts += [f"extra {printable(name)} {100 * share:.2f} %" for name, share in finished.extra_top1.items()]
    if finished.best_top1 is not None:
        parts.append(f"best val {100 * finished.best_top1:.2f} %")
    parts.append(f"training {finished.training_seconds + finished.data_seconds:.1f} s")
    parts.append(f"evaluation {finished.evaluation_seconds:.1f} s")
    return ", ".join(parts)
