"""Following a run in this terminal as if it were trained here: its history first, then live."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from cifar_core.errors import printable
from cifar_core.events import AnyEvent, from_json
from cifar_experiments.live.follow import follow
from cifar_experiments.runs import Run, RunFolderError
from cifar_experiments.runs.lock import holder
from cifar_tui import presenters
from cifar_tui.outcome import FAILED, Outcome
from cifar_tui.outlet import Outlet

LEFT = 0

_LAST_WORDS_SECONDS = 0.5


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
                    event = _event(line, run)
                    outcome.note(event)
                    if presenter is not None:
                        presenter.show(event)
                if json:
                    out.write_bytes(_harmless(lines) if out.isatty() else lines)
                # Whoever reads slowly is read to slowly: the rest waits in the file, not in memory.
                out.finish()
                if out.gone:
                    return _left_by_reader(out, err)
            if presenter is not None:
                presenter.close()
            crashed = None if outcome.finished else "the process is gone without a word"
            outcome.tell(run, crashed, out, err, json=json)
            out.close()
            err.close()
        except KeyboardInterrupt:
            if presenter is not None:
                presenter.close()
            err.say(f"cifar-tui: left; {printable(run.id)} goes on as before")
            _wait_briefly(out, err)
            return LEFT
        except RunFolderError:
            _wait_briefly(out)
            raise
        return FAILED if crashed else outcome.code


def _event(line: bytes, run: Run) -> AnyEvent:
    try:
        return from_json(line)
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{printable(run.events)}: is no event: {printable(error)}") from None


def _left_by_reader(out: Outlet, err: Outlet) -> int:
    """The exit code where standard output cannot be written any longer."""
    if out.failure is None:
        return LEFT
    err.say(f"cifar-tui: standard output could not be written to its end: {out.failure}")
    _wait_briefly(err)
    return FAILED


def _wait_briefly(*outlets: Outlet) -> None:
    """Let the last words go out, unless nobody reads: whoever leaves is not to wait for that."""
    latest = time.monotonic() + _LAST_WORDS_SECONDS
    while any(outlet.behind for outlet in outlets) and time.monotonic() < latest:
        time.sleep(0.01)


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
        yield out, err
