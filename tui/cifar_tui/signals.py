"""What a training does about the signals that its process gets."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

from cifar_tui.terminal import say

INTERRUPTED = 130
SAVING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT)
OBEYED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class Stoppable(Protocol):
    """What can be asked to save and to end: a training's control, or all trainings of a process."""

    def stop(self) -> None:
        """Ask for it; returns at once."""


class Signals:
    """Turns signals into requests, and remembers what the exit code must know of them.

    SIGINT stops the training, which saves; a second one ends the process at once. SIGTERM and SIGUSR1, which
    batch systems send before they kill, stop and save too. SIGHUP, which comes when the terminal is lost, is
    told of, and the training goes on.
    """

    def __init__(self, control: Stoppable) -> None:
        self.tell: Callable[[str], None] = say
        """Takes a sentence for the user; called in the midst of anything."""
        self.came: Callable[[int], None] = lambda _number: None
        """Is told of each signal after it was obeyed; called in the midst of anything."""
        self.saving = False
        """Whether one of those that save has come."""
        self.code: int | None = None
        """The exit code, once all is saved and only output is still on its way: a signal then need not wait."""
        self._control = control
        self._interrupted = False

    @property
    def ending(self) -> bool:
        """Whether the process is asked to end."""
        return self.saving or self._interrupted

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Obey one signal. Runs in the main thread between any two of its instructions."""
        self._obey(number)
        self.came(number)

    def _obey(self, number: int) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGHUP:
            self.tell("the terminal is gone; the training goes on")
        elif self.code is not None:
            os._exit(self.code)
        elif number in SAVING:
            if not self.saving:
                self.saving = True
                self._control.stop()
                self.tell(f"{name}: saving before the next step")
        elif not self._interrupted:
            self._interrupted = True
            self._control.stop()
            self.tell("stopping before the next step; Ctrl+C again ends at once")
        else:
            os._exit(INTERRUPTED)


@contextlib.contextmanager
def obeyed(control: Stoppable, *, on_screen: bool = False) -> Iterator[Signals]:
    """Obey signals as ``Signals`` does, as long as the context lasts. Only in the main thread.

    With ``on_screen`` also SIGQUIT, which would leave a terminal in disorder, and SIGHUP even where it was ignored:
    a screen whose terminal is gone has nothing left to do.

    Not by the event loop's handlers: these would have to wait whenever the loop does.
    """
    signals = Signals(control)
    # What was ignored when the process was started stays so: by nohup, or by a script that started it behind itself.
    always = (signal.SIGQUIT, signal.SIGHUP) if on_screen else ()
    obeying = {*always, *(number for number in OBEYED if signal.getsignal(number) is not signal.SIG_IGN)}
    before = {number: signal.signal(number, signals) for number in obeying}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
