"""How a run of the list goes on: as it is, or changed and as a new one. Reads files, so for a thread."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from cifar_core.errors import CifarError, printable
from cifar_experiments import presets
from cifar_experiments.errors import RunFolderError
from cifar_experiments.runs import Run, called
from cifar_experiments.runs.lock import holder
from cifar_experiments.runs.resuming import Start, reopen


def resumed(run: Run) -> Start:
    """Return how a run goes on as it is.

    Raises:
        CifarError: It is complete, a process works on it, or it cannot be read.
    """
    if (working := holder(run)) is not None:
        raise RunFolderError(
            f"{printable(run.id)} is running already, in process {working.pid} on {printable(working.host)}"
        )
    start = reopen(str(run.path), command=["cifar-tui", "--resume", called(run)])
    if start.is_complete:
        raise RunFolderError(f"{printable(run.id)} is complete; a fork goes on from it with a change, as a new run")
    return start


def forked(run: Run, runs_dir: Path | None, words: Sequence[str]) -> Start:
    """Return a new run that goes on from the last checkpoint of another one, with ``key=value`` words.

    Raises:
        CifarError: There is nothing to go on from, or no new run can be made.
    """
    return reopen(
        str(run.path), runs_dir, command=["cifar-tui", "--resume", called(run), *words], overrides=tuple(words)
    )


def fork_fault(run: Run, text: str) -> str | None:
    """Return why ``text`` makes no fork of a run; None where it does. Takes a millisecond."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"a quotation mark lacks its partner: {error}"
    if not words:
        return "type what is to change, such as training.epochs=50 optimizer.lr=0.01"
    try:
        was = presets.compose(str(run.toml)).config
        now = presets.compose(str(run.toml), overrides=words).config
    except CifarError as error:
        return str(error).splitlines()[0]
    return "that changes nothing; to go on with the run as it is, resume it" if now == was else None
