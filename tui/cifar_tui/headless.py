"""A training without screens: its events shown as they come, its end turned into an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from contextlib import aclosing

from cifar_core.control import Control
from cifar_core.errors import CifarError, printable
from cifar_experiments import runs
from cifar_experiments.live.training import trained
from cifar_experiments.runs.resuming import Start
from cifar_tui import presenters
from cifar_tui.json_lines import JsonLines
from cifar_tui.outcome import COMPLETED, Outcome
from cifar_tui.outlet import Outlet
from cifar_tui.signals import Signals
from cifar_tui.terminal import captured, say

PREEMPTED = 75


def run(start: Start, control: Control, signals: Signals, *, json: bool) -> int:
    """Train to the end, record and show it, and return the exit code.

    Raises:
        RunLockedError: Another process works on the run.
        RunFolderError: Its log cannot be written.
    """
    with contextlib.ExitStack() as working:
        lock = working.enter_context(runs.locked(start.run))
        if start.is_complete:
            say(f"{start.run.id} is complete; with a change, such as training.epochs=N, it goes on as a new run")
            return COMPLETED
        with captured(start.run.log) as (out, err):
            signals.tell = lambda sentence: err.say(f"\ncifar-tui: {sentence}")
            recorder = runs.Recorder(start.run, lock, resumed=start.resumed)
            presenter = JsonLines(out, start.run.events, recorder) if json else presenters.choose(out)
            outcome = Outcome()
            error: CifarError | None = None
            try:
                asyncio.run(_train(start, recorder, control, presenter, outcome, err))
            except CifarError as raised:
                error = raised
                err.keep("".join(traceback.format_exception(raised)))
            code = outcome.code if error is None else error.exit_code
            if code == COMPLETED and signals.saving and outcome.finished and outcome.finished.reason == "stopped":
                code = PREEMPTED
            # From here on only words are on their way to a reader: whoever asks for the end need not wait for it.
            signals.code = code
            presenter.close()
            # Lines of JSON are read from the record, which nobody else may cut before they are.
            working.close()
            outcome.tell(start.run, None if error is None else str(error), out, err, json=json)
            (err if json else out).say(f"run folder: {printable(start.run.path)}")
            out.finish()
            if out.failure is not None:
                err.say(f"cifar-tui: standard output could not be written to its end: {out.failure}")
    return code


async def _train(
    start: Start,
    recorder: runs.Recorder,
    control: Control,
    presenter: presenters.Presenter,
    outcome: Outcome,
    err: Outlet,
) -> None:
    async with aclosing(trained(start, recorder, control, lambda words: err.keep(f"{words}\n"))) as events:
        async for event in events:
            presenter.show(event)
            outcome.note(event)
