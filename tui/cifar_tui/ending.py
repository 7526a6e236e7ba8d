"""What a screen says of a run that has ended: how it went, where its best state is, and which command goes on."""

from __future__ import annotations

import shlex

from cifar_experiments.history import History
from cifar_experiments.runs import Run, called
from cifar_tui.summary import in_one_line


def ending(history: History, run: Run) -> tuple[str, ...]:
    """Return sentences about a run of which no more events come."""
    finished, saved = history.finished, history.checkpoints
    said = [in_one_line(finished)] if finished is not None else []
    best = saved.get("best")
    if best is not None:
        said.append(f"best checkpoint: {_within(best.path, run)}")
    elif (last := saved.get("last")) is not None:
        said.append(f"last checkpoint: {_within(last.path, run)}")
    if finished is not None and finished.reason == "completed":
        said.append(f"repeat it: {shlex.join(['cifar-tui', '--no-tui', str(run.toml)])}")
    elif saved:
        said.append(f"go on with it: cifar-tui --no-tui --resume {called(run)}")
    return tuple(said)


def _within(path: str, run: Run) -> str:
    """Return the path of a file as it is in the run's folder, of which the screen has named enough."""
    return path.removeprefix(f"{run.path}/")
