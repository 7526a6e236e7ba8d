"""Following a run in this terminal as if it were trained here: its history first, then live."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from cifar_core.errors import printable
from cifar_core.events import from_json
from cifar_experiments.live.follow import follow
from cifar_experiments.runs import Run, RunFolderError
from cifar_experiments.runs.lock import holder
from cifar_tui import presenters
from cifar_tui.outcome import FAILED, Outcome
from cifar_tui.outlet import Outlet

LEFT = 0


def attach(run: Run, *, json: bool) -> int:
    """Show the run's events until it ends; return the exit code that it deserves.

    Raises:
        RunFolderError: Its events cannot be read.
    """
    with _outlets() as (out, err):
        presenter = None if json else presenters.choose(out)
        outcome = Outcome()
        try:
            for lines in follow(run.events, alive=lambda: holder(run) is not None):
                for line in lines.splitlines():
                    try:
                        event = from_json(line)
                    except (ValueError, RecursionError) as error:
                        raise RunFolderError(f"{printable(run.events)}: is no event: {printable(error)}") from None
                    outcome.note(event)
                    if presenter is not None:
                        presenter.show(event)
                if json:
                    out.write_bytes(_harmless(lines) if out.isatty() else lines)
                # Whoever reads slowly is read to slowly: the rest waits in the file, not in memory.
                out.finish()
                if out.gone:
                    return LEFT
        except KeyboardInterrupt:
            if presenter is not None:
                presenter.close()
            out.finish()
            err.say(f"cifar-tui: left; {printable(run.id)} goes on as before")
            return LEFT
        if presenter is not None:
            presenter.close()
        crashed = None if outcome.finished else "the process is gone without a word"
        outcome.tell(run, crashed, out, err, json=json)
        return FAILED if crashed else outcome.code


def _harmless(lines: bytes) -> bytes:
    """The same lines for a terminal, whatever has been put into their file."""
    return b"".join(printable(line.decode(errors="replace")).encode() + b"\n" for line in lines.splitlines())


@contextlib.contextmanager
def _outlets() -> Iterator[tuple[Outlet, Outlet]]:
    """Standard output and error; nothing is logged, since the log is the run's own."""
    with contextlib.ExitStack() as undo:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        undo.callback(os.close, nowhere)
        out, err = Outlet(1, sys.stdout.encoding, nowhere), Outlet(2, sys.stderr.encoding, nowhere)
        undo.callback(err.close)
        undo.callback(out.close)
        yield out, err
