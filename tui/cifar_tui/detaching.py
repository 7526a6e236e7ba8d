"""Starting trainings in a process and a session of their own, which no terminal can end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import click

from cifar_core.control import Control
from cifar_core.errors import CifarError, printable
from cifar_experiments.runs import Run
from cifar_experiments.runs.lock import holder

_POLL_SECONDS = 0.02
_LONGEST_WAIT = 60.0


class NotDetachedError(CifarError):
    """The other process ended before it had taken the run over; the text is what it said, a line for each sentence."""

    def __init__(self, sentences: str, exit_code: int) -> None:
        super().__init__(sentences)
        self.exit_code = exit_code


def spawn(runs: Sequence[Run], unwanted: Callable[[], bool] = lambda: False) -> None:
    """Have another process go on with runs, or begin them, one after another; return once it works on one of them.

    When ``unwanted`` comes to say so meanwhile, that process is ended too.

    Raises:
        NotDetachedError: It ended, or was ended, before it came to that.
    """
    names = [argument for run in runs for argument in ("--resume", str(run.path))]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603, this program itself
            # -P: whatever lies in the current folder is not to be taken for a module.
            [sys.executable, "-P", "-m", "cifar_tui", "run", "--no-tui", *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        latest = time.monotonic() + _LONGEST_WAIT
        while process.poll() is None and not unwanted() and time.monotonic() < latest:
            # Not only the first: one that turns out to be complete is held for a moment that may be missed.
            if any(working.pid == process.pid for run in runs if (working := holder(run)) is not None):
                # It is to outlive this one, which must not complain that it did not wait for it.
                process.returncode = 0
                return
            time.sleep(_POLL_SECONDS)
        if process.poll() is None:
            process.terminate()
            process.wait()
            why = "was not started: its process was ended before it came to it"
            raise NotDetachedError(f"{printable(runs[0].id)} {why}", CifarError.exit_code)
        said.seek(0)
        words = [line.removeprefix("cifar-tui: ") for line in said.read().decode(errors="replace").splitlines()]
        raise NotDetachedError("\n".join(printable(line) for line in words), process.returncode)


def start(runs: Sequence[Run], control: Control) -> int:
    """Have another process train ``runs``, one after another, unless the end is asked for meanwhile; print their ids.

    Returns the exit code: 0, or that of the process where it ended before, with its words printed.
    """
    try:
        spawn(runs, lambda: control.ending is not None)
    except NotDetachedError as error:
        for line in str(error).splitlines():
            click.echo(f"cifar-tui: {line}", err=True)
        return error.exit_code
    for run in runs:
        click.echo(printable(run.id))
    return 0
