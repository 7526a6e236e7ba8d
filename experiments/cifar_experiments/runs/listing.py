"""What is true of a run now, whatever its process has left behind; and how a run is removed."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence

import msgspec

from cifar_core.errors import printable
from cifar_core.events import AnyEvent, RunFinished, RunStarted, StepCompleted
from cifar_experiments.errors import RunFolderError
from cifar_experiments.runs.events_file import newest_events
from cifar_experiments.runs.folder import Run
from cifar_experiments.runs.lock import Holder, holder, locked
from cifar_experiments.runs.summary import State, Summary, read_summary

UNFINISHED = ("created", "running", "paused")


def current(run: Run) -> Summary:
    """Return the run's summary with the state and the number of steps that it has now.

    A run that nobody works on and that did not say how it ended has the state "crashed".

    Raises:
        RunFolderError: The summary cannot be read.
    """
    # Before the summary: who works on it then has either written the end that is read, or is seen here.
    working = holder(run)
    summary = read_summary(run.summary)
    if summary.state not in UNFINISHED and working is None:
        return summary
    newest = newest_events(run.events)
    steps = next((event.step for event in reversed(newest) if isinstance(event, StepCompleted)), summary.steps)
    return msgspec.structs.replace(
        summary,
        steps=steps,
        state=_state(summary, newest, working),
        pid=summary.pid if working is None else working.pid,
        host=summary.host if working is None else working.host,
    )


def _state(summary: Summary, newest: Sequence[AnyEvent], working: Holder | None) -> State:
    if working is not None:
        # What another process said of the run, when it paused or ended, is over.
        told = working.pid == summary.pid and summary.state != "created"
        return summary.state if told else "running"
    if summary.state == "created" and not newest:
        return "created"
    marks = [event for event in newest if isinstance(event, RunStarted | RunFinished)]
    # It may have been killed between its last event and its last summary.
    return marks[-1].reason if marks and isinstance(marks[-1], RunFinished) else "crashed"


def remove(run: Run) -> None:
    """Remove a run's folder with all that is in it.

    Raises:
        RunLockedError: A process works on it.
        RunFolderError: It cannot be removed.
    """
    # Out of sight in one step, so that no half of a run is ever met; and no file is open when it is removed.
    aside = run.path.with_name(f".removed-{secrets.token_hex(4)}-{run.id}")
    try:
        if run.path.is_symlink():
            raise RunFolderError(f"{printable(run.path)}: is a link to a run; remove what it leads to, or the link")
        with locked(run):
            run.path.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise RunFolderError(f"{printable(run.path)}: cannot be removed: {error.strerror}") from None
