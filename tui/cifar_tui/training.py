"""Trainings of this process, in a thread and an event loop of their own: no screen can hold them up."""

from __future__ import annotations

import asyncio
import queue
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing

from cifar_core.control import Control
from cifar_core.errors import CifarError, printable
from cifar_core.events import AnyEvent
from cifar_experiments import runs
from cifar_experiments.errors import RunFolderError
from cifar_experiments.live.client import NotControllableError
from cifar_experiments.live.protocol import AnyLiveRequest
from cifar_experiments.live.server import obey
from cifar_experiments.live.training import trained
from cifar_experiments.runs import Run
from cifar_experiments.runs.resuming import Start
from cifar_tui.narration import Narrator, for_log
from cifar_tui.outcome import Outcome
from cifar_tui.terminal import redirected
from cifar_tui.watched import Record, status_of

_JOIN_SECONDS = 0.2
"""Waits are cut in slices, because Python runs the handler of a signal only between two of them."""


class Training:
    """One run that this process trains, or will once those before it have ended."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.control = Control()
        self.record = Record()
        self.trained_here = True
        self.outcome = Outcome()
        self.error: str | None = None
        """A printable sentence, where it failed."""
        self.is_next = False
        """Whether its turn has come."""
        self.begun = False
        self.ended = False
        self._code = CifarError.exit_code
        self._narrator = Narrator()

    @property
    def run(self) -> Run:
        """Its folder."""
        return self.start.run

    @property
    def status(self) -> str:
        """How far it has come, in a word or two."""
        if not self.begun and self.error is None:
            return "not begun" if self.ended else "starting" if self.is_next else "waiting"
        with self.record.reading() as history:
            status = status_of(history)
        return "failed" if self.error is not None and status not in ("failed", "diverged") else status

    @property
    def code(self) -> int:
        """The exit code that it deserves."""
        return self.outcome.code if self.error is None else self._code

    async def ask(self, request: AnyLiveRequest) -> None:
        """Have a request taken in, at once.

        Raises:
            NotControllableError: It was refused, or the training has ended.
        """
        if self.ended:
            raise NotControllableError(f"{printable(self.run.id)} has ended")
        if (why_not := obey(request, self.control)) is not None:
            raise NotControllableError(why_not)

    def leave(self) -> None:
        """Nothing: it goes on whether somebody looks or not."""

    def work(self) -> None:
        """Train to the end, whatever that is; blocks its thread and raises nothing."""
        self.begun = True  # before the look at the control, as ``Trainings.join`` relies on
        try:
            if self.control.ending is not None:  # before its turn had come
                self.begun = False
                return
            with runs.locked(self.run) as lock, redirected(self.run.log) as log:
                if self.start.is_complete:
                    raise RunFolderError(f"{printable(self.run.id)} is complete; with a change it goes on as a new run")
                try:
                    asyncio.run(self._train(runs.Recorder(self.run, lock, resumed=self.start.resumed), log))
                except BaseException as error:
                    log("".join(traceback.format_exception(error)))
                    raise
        except CifarError as error:
            self.error, self._code = printable(error), error.exit_code
        except BaseException as error:  # noqa: BLE001, the thread's last frame: told on the screen, and kept in the log
            self.error = f"{type(error).__name__}: {printable(error)}; {printable(self.run.log)} has its traceback"
        finally:
            self.ended = True

    async def _train(self, recorder: runs.Recorder, log: Callable[[str], None]) -> None:
        async with aclosing(trained(self.start, recorder, self.control, log)) as events:
            async for event in events:
                self._show(event, log)

    def _show(self, event: AnyEvent, log: Callable[[str], None]) -> None:
        self.record.apply((event,))
        self.outcome.note(event)
        if line := for_log(event, self._narrator.line(event)):
            log(line)


class Trainings:
    """The trainings of this process: one at a time, in the order in which they were asked for.

    Args:
        alone: Makes a context that each training runs in, in which nothing else uses torch.
    """

    def __init__(self, alone: Callable[[], AbstractContextManager[None]]) -> None:
        self._alone = alone
        self._waiting: queue.SimpleQueue[Training | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.all: list[Training] = []
        """All there were, in order."""

    @property
    def current(self) -> Training | None:
        """The one that trains now, or is about to; None when nothing is to be done."""
        return next((training for training in self.all if not training.ended), None)

    @property
    def waiting(self) -> list[Training]:
        """Those that come after the current one."""
        return [training for training in self.all if not training.ended][1:]

    def add(self, start: Start) -> Training:
        """Train a run once those before it have ended."""
        training = Training(start)
        self.all.append(training)
        if self._stopped:
            training.control.stop()
        self._waiting.put(training)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="cifar-trainings", daemon=True)
            self._thread.start()
        return training

    def of(self, run: Run) -> Training | None:
        """Return the training of a run, where this process is at it or was."""
        return next((training for training in reversed(self.all) if training.run == run), None)

    def stop(self) -> None:
        """Have all end: the one under way saves before its next step, those that wait or come later do not begin."""
        self._stopped = True
        for training in self.all:
            training.control.stop()

    def stop_after_epoch(self) -> None:
        """Have the one under way end after its epoch, and those that wait not begin."""
        for training in self.all:
            if training.begun:
                training.control.stop_after_epoch()
            else:
                training.control.stop()

    def join(self) -> None:
        """Wait until all have ended or will not begin; for the main thread, where handlers of signals run meanwhile."""
        self._waiting.put(None)
        # Not for what a training that is not to begin would have waited for, such as a download that is cut slowly.
        while self._thread is not None and self._thread.is_alive() and not all(map(_is_done_with, self.all)):
            self._thread.join(_JOIN_SECONDS)

    def _work(self) -> None:
        while (training := self._waiting.get()) is not None:
            training.is_next = True
            with self._alone():
                training.work()


def _is_done_with(training: Training) -> bool:
    """Whether nothing more is made of a training."""
    return training.ended or (training.control.ending is not None and not training.begun)
