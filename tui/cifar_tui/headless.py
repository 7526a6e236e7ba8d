"""A training without screens: its events shown as they come, its end turned into an exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import AsyncIterator
from typing import Protocol

from cifar_core.control import Control
from cifar_core.errors import CifarError, printable
from cifar_core.events import AnyEvent, Evaluated, RunFinished, RunStarted
from cifar_tui import presenters, summary
from cifar_tui.terminal import Outlet

COMPLETED = 0
FAILED = 4
INTERRUPTED = 130


class Recorded(Protocol):
    """A training whose events are kept as they pass."""

    def __call__(self, control: Control) -> AsyncIterator[AnyEvent]:
        """Start it."""


def run(start: Recorded, out: Outlet, err: Outlet, *, json: bool) -> int:
    """Train until the end, show it, and return the exit code.

    The first Ctrl+C stops before the next step, so that everything is written; the second ends the
    process at once.
    """
    control = Control()
    presenter = presenters.choose(out, json=json)

    def interrupt(*_: object) -> None:
        if control.ending is None:
            control.stop()
            err.say("\ncifar-tui: stopping before the next step; Ctrl+C again ends at once")
            return
        presenter.close()
        os._exit(INTERRUPTED)

    # Not the event loop's handler: it would have to wait while the loop waits for a slow terminal.
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        return asyncio.run(_run(start, control, presenter, out, err, json=json))
    finally:
        signal.signal(signal.SIGINT, before)


async def _run(
    start: Recorded, control: Control, presenter: presenters.Presenter, out: Outlet, err: Outlet, *, json: bool
) -> int:
    begun: RunStarted | None = None
    evaluated: Evaluated | None = None
    finished: RunFinished | None = None
    try:
        async for event in start(control):
            presenter.show(event)
            match event:
                case RunStarted():
                    begun = event
                case Evaluated():
                    evaluated = event
                case RunFinished():
                    finished = event
    except CifarError as error:
        presenter.close()
        err.keep("".join(traceback.format_exception(error)))
        err.say(f"cifar-tui: {printable(str(error))}")
        return error.exit_code
    presenter.close()
    if finished is not None and not json:
        summary.write(out, begun, evaluated, finished)
    if out.failure is not None:
        err.say(f"cifar-tui: standard output could not be written to its end: {out.failure}")
    if finished is None or finished.reason == "diverged":
        err.say(f"cifar-tui: {finished.error if finished else 'the training ended without a word'}")
        return FAILED
    return COMPLETED
