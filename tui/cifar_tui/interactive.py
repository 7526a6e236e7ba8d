"""The app from the first frame to the exit code: its terminal, its signals, and what becomes of its trainings."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, cast

import platformdirs
from textual.driver import Driver as AnyDriver

from cifar_core.errors import CifarError, printable
from cifar_experiments.presets.draft import Draft
from cifar_experiments.runs import Run, called
from cifar_experiments.runs.resuming import Start
from cifar_tui import detaching
from cifar_tui.app import CifarApp
from cifar_tui.background import Background
from cifar_tui.driver import Driver, Terminal
from cifar_tui.following import Following
from cifar_tui.outlet import Outlet
from cifar_tui.settings import layout_path, read_layout, read_settings, settings_path, write_layout
from cifar_tui.signals import INTERRUPTED, SAVING, Signals, obeyed
from cifar_tui.terminal import captured
from cifar_tui.training import Training, Trainings

PREEMPTED = 75
FAILED = 4

_LARGEST_LOG = 1 << 20
_LAST_WORDS_SECONDS = 1.0


def run(
    draft: Draft,
    runs_dir: Path | None = None,
    *,
    starts: Sequence[Start] = (),
    watch: Run | None = None,
    driver_class: type[AnyDriver] = Driver,
) -> NoReturn:
    """Show the app until it is left and its trainings are done with; ends the process.

    Args:
        draft: What the launch screen begins with; where it names nothing, that is the quick start.
        runs_dir: See ``runs_folder``.
        starts: Trainings to begin at once, one after another; the first is shown.
        watch: A run to show at once.
        driver_class: A ``Terminal``.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)}
    log = _log_path()
    with captured(log) as (out, err):
        cast(type[Terminal], driver_class).outlet = out
        background = Background()
        trainings = Trainings(background.held)
        with obeyed(trainings, on_screen=True) as signals:
            came: list[int] = []
            signals.came = came.append
            added = [trainings.add(start) for start in starts]
            first = added[0] if added else None if watch is None else Following(watch)
            layout = read_layout(layout_path())
            app = CifarApp(
                draft=Draft("quickstart") if draft == Draft() else draft,  # which trains wherever it is
                trainings=trainings,
                background=background,
                settings=read_settings(settings_path()),
                layout=layout,
                runs_dir=runs_dir,
                first=first,
                driver_class=driver_class,
            )
            _leave_at_signals(app, signals, came)
            _show(app, came)
            for number, handler in before.items():  # Textual's own would draw on the terminal again
                signal.signal(number, handler)
            write_layout(layout_path(), layout)
            code = _finish(app, signals, came, out, err, log)
            _settle(out, err)
            # At once: a thread may be in the midst of importing torch, which nobody waits for any longer.
            os._exit(code)


def _leave_at_signals(app: CifarApp, signals: Signals, came: list[int]) -> None:
    """Have the app left when a signal comes, and those that came noted."""
    signals.tell = lambda _sentence: None  # the screen is no place for it; it is told once that is left

    def leave(number: int) -> None:
        came.append(number)
        app.call_after_refresh(app.leave, "wait")  # not before the first frame: screens half made cannot be left

    signals.came = leave


def _show(app: CifarApp, came: list[int]) -> None:
    """Show the screens until they are left, unless a signal came before; a fault of theirs is no reason to raise."""
    if came:
        return
    try:
        app.run()
    except Exception as error:  # noqa: BLE001, told in the end; what is trained must be seen to first
        app.fault = app.fault or error


def _finish(app: CifarApp, signals: Signals, came: list[int], out: Outlet, err: Outlet, log: Path) -> int:
    """Do what was chosen, or what a signal or a fault leaves to be done; return the exit code."""
    trainings = app.trainings
    signals.tell = lambda sentence: err.say(f"cifar-tui: {sentence}")
    if app.fault is not None:
        err.keep("".join(traceback.format_exception(app.fault)))
        what = f"{type(app.fault).__name__}: {printable(app.fault)}"
        err.say(f"cifar-tui: the screens failed: {what}; {printable(log)} has the traceback")
    if app.farewell == "stop":
        trainings.stop()
    if app.farewell == "detach" and trainings.current is not None:
        return _detach(trainings, signals, out, err)
    if out.isatty() and (current := trainings.current) is not None and current.control.ending is None:
        how = "goes on to the end of its epoch" if current.control.stops_after_epoch else "goes on"
        err.say(f"cifar-tui: {printable(called(current.run))} {how} in this terminal; Ctrl+C saves and stops")
    trainings.join()
    _tell(trainings.all, out, err)
    code = max((training.code for training in trainings.all if training.begun), default=0)
    saving = [number for number in came if number in SAVING]  # after the wait, in which one may have come too
    if code == 0 and saving:
        return PREEMPTED if any(map(_goes_on, trainings.all)) else 128 + saving[0]
    if code == 0 and signal.SIGINT in came and not trainings.all:
        return INTERRUPTED
    return FAILED if code == 0 and app.fault is not None else code


def _tell(trainings: Sequence[Training], out: Outlet, err: Outlet) -> None:
    """Say how trainings ended, and how those that were not begun can be."""
    for training in trainings:
        if training.begun:
            training.outcome.tell(training.run, training.error, out, err, json=False)
            out.say(f"run folder: {printable(training.run.path)}")
        else:
            err.say(f"cifar-tui: not begun: cifar-tui --no-tui --resume {printable(called(training.run))} begins it")


def _goes_on(training: Training) -> bool:
    """Whether it was stopped, or not begun, so that it can go on later."""
    finished = training.outcome.finished
    return not training.begun or (finished is not None and finished.reason == "stopped")


def _detach(trainings: Trainings, signals: Signals, out: Outlet, err: Outlet) -> int:
    """Save and end the trainings here, and have them go on from there in a process of their own."""
    asked = [training for training in trainings.all if not training.ended]
    trainings.stop()
    trainings.join()
    over = [training for training in asked if not _goes_on(training)]  # it came to its end before it could be stopped
    _tell(over, out, err)
    code = max((training.code for training in over), default=0)
    runs = [training.run for training in asked if _goes_on(training)]
    if not runs:
        return code
    try:
        detaching.spawn(runs, lambda: signals.ending)
    except CifarError as error:
        for line in str(error).splitlines():
            err.say(f"cifar-tui: {line}")
        resume = " ".join(f"--resume {printable(called(run))}" for run in runs)
        err.say(f"cifar-tui: nothing is lost: cifar-tui --no-tui {resume} goes on")
        return PREEMPTED if signals.saving else error.exit_code
    for run in runs:
        out.say(f"cifar-tui: detached; cifar-tui attach {printable(called(run))} shows it again")
    return code


def _settle(*outlets: Outlet) -> None:
    """Let the last words go out, unless nobody reads them."""
    latest = time.monotonic() + _LAST_WORDS_SECONDS
    while any(outlet.behind for outlet in outlets) and time.monotonic() < latest:
        time.sleep(0.005)


def _log_path() -> Path:
    """Return where what is printed goes as long as nothing is trained: a file that does not grow for ever."""
    try:
        path = platformdirs.user_log_path("cifar-tui", appauthor=False, ensure_exists=True) / "screens.txt"
        if path.exists() and path.stat().st_size > _LARGEST_LOG:
            path.unlink()
        with path.open("ab"):
            return path
    except OSError:
        return Path(os.devnull)
