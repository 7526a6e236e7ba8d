"""What the lists of runs say of one, in words: on the command line and on the screens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cifar_core.errors import printable

if TYPE_CHECKING:
    from cifar_experiments.runs import Run, Summary

LIVE = ("running", "paused")
"""The states of a run that a process works on."""


def progress(summary: Summary) -> str:
    """Return the steps that are made, and of how many: ``1,200/25,000``."""
    return f"{summary.steps:,}/{'?' if summary.total_steps is None else f'{summary.total_steps:,}'}"


def accuracy(summary: Summary) -> str:
    """Return the accuracies that are known: ``test 54.30 %, extra cifar10.1_v6 44.30 %, best val 53.10 %``."""
    parts = []
    if summary.final_top1 is not None:
        parts.append(f"test {100 * summary.final_top1:.2f} %")
    parts += [f"extra {printable(name)} {100 * share:.2f} %" for name, share in summary.extra_top1.items()]
    if summary.best_top1 is not None:
        parts.append(f"best val {100 * summary.best_top1:.2f} %")
    return ", ".join(parts)


def leading(summary: Summary) -> tuple[float, str] | None:
    """Return the accuracy that stands for a run, and its split: the newest on the test images, else the best val."""
    if summary.final_top1 is not None:
        return summary.final_top1, "test"
    return None if summary.best_top1 is None else (summary.best_top1, "val")


def seconds_spent(summary: Summary) -> float:
    """Return the seconds that a run has worked, pauses left out."""
    return summary.training_seconds + summary.data_seconds + summary.evaluation_seconds


def duration(seconds: float) -> str:
    """Return a time span in at most seven characters: ``12.3 s``, ``4:05``, ``1:02:33``, ``321 h``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(then: float, now: float) -> str:
    """Return how long ago something was, in at most eleven characters; after two weeks the date."""
    seconds = now - then
    if seconds < 60:  # a clock that is set back makes nothing lie in the future
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago"
    if seconds < 14 * 86_400:
        days = seconds // 86_400
        return "yesterday" if days == 1 else f"{days:.0f} days ago"
    return time.strftime("%Y-%m-%d", time.localtime(then))


def moment(seconds: float) -> str:
    """Return a date and a time of day."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def way_on(run: Run, summary: Summary) -> str:
    """Return the command that goes on with a run; nothing for one that is complete."""
    from cifar_experiments.runs import called

    commands = {
        "running": f"cifar-tui attach {called(run)}",
        "paused": f"cifar-tui resume {called(run)}",
        "completed": "",
    }
    return commands.get(summary.state, f"cifar-tui --no-tui --resume {called(run)}")


def known(run: Run, summary: Summary) -> list[tuple[str, str]]:
    """Return names and values, in the order they are shown in; a value may be empty."""
    alive = summary.state in LIVE
    spent = summary.training_seconds + summary.data_seconds
    seconds = {"training": spent, "evaluation": summary.evaluation_seconds, "paused": summary.paused_seconds}
    return [
        ("run", run.id),
        ("state", summary.state),
        ("error", summary.error or ""),
        ("process", f"{summary.pid} on {summary.host}" if alive else ""),
        ("experiment", f"{summary.experiment} ({summary.model})"),
        ("parent", summary.parent or ""),
        ("started", moment(summary.started)),
        ("finished", "" if alive or summary.finished is None else moment(summary.finished)),
        ("steps", progress(summary)),
        ("epochs", f"{summary.epochs}/{summary.total_epochs}"),
        ("accuracy", accuracy(summary)),
        ("time", ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items() if value)),
        ("folder", str(run.path)),
        ("next", way_on(run, summary)),
    ]
