"""Recording: every event of a training is appended to its run's file on its way to whoever listens."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from cifar_core.errors import printable
from cifar_core.events import (
    AnyEvent,
    CheckpointStarted,
    EpochCompleted,
    Evaluated,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
    Warned,
    to_json,
)
from cifar_experiments.atomic import replace_file
from cifar_experiments.errors import RunFolderError, unwritable
from cifar_experiments.runs import events_file
from cifar_experiments.runs.folder import Run
from cifar_experiments.runs.lock import Lock
from cifar_experiments.runs.summary import Telling, read_summary, to_bytes, updated

_FREQUENT = (StepCompleted, SystemSampled)
_MOST_WAITING = 64 * 1024
_LONGEST_WAIT = 0.2


class Recorder:
    """Writes one training's events to its run's file, and keeps the run's summary.

    What a file holds of an earlier time is only changed once ``RunStarted`` says where the training begins: a
    training that fails before leaves the record as it was.

    Args:
        run: Where to.
        lock: That this process holds on the run.
        resumed: Whether the training goes on from a checkpoint of this run. Then what the file holds is kept up
            to where that checkpoint was begun. Else the file begins anew.
    """

    def __init__(self, run: Run, lock: Lock, *, resumed: bool = False) -> None:
        self.begins_at: int | None = None
        """Where in the file, in bytes, this training's events begin; None as long as that is not known."""
        self._run = run
        self._lock = lock
        self._resumed = resumed
        self._lines: list[bytes] = []
        self._waiting = 0
        self._written = time.monotonic()
        self._steps = 0
        self._summary = read_summary(run.summary)
        self._finished = False
        self._descriptor = -1

    async def record(self, events: AsyncGenerator[AnyEvent]) -> AsyncGenerator[AnyEvent]:
        """Record every event and pass it on.

        Step events and system samples may wait in memory, at most 0.2 s as long as events come; anything else
        is written at once, together with what waits. Before a checkpoint is saved, and at the end, all is made
        to outlive a power failure too. However this ends, ``events`` is closed.

        Raises:
            RunFolderError: if the folder cannot be written, such as when the disk is full, or the lock was lost.
        """
        with self:
            async with aclosing(events):
                async for event in events:
                    lacking = self._begin(event) if isinstance(event, RunStarted) else None
                    self._add(event)
                    if isinstance(event, CheckpointStarted | RunFinished) and self.begins_at is not None:
                        # Not in the event loop's thread: a slow disk would hold up everything else there.
                        await asyncio.to_thread(self._sync)
                    yield event
                    if lacking is not None:
                        self._add(lacking)
                        yield lacking

    def __enter__(self) -> Self:
        try:
            # Not O_APPEND: a file that is gone on with is cut, and there is one writer.
            self._descriptor = os.open(self._run.events, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if not self._resumed and os.fstat(self._descriptor).st_size == 0:
                self.begins_at = 0
        except OSError as error:
            raise unwritable(self._run.events, error) from None
        return self

    def _begin(self, started: RunStarted) -> Warned | None:
        """Cut the file and the summary back to where the training begins; warn if not all of that is there."""
        self._lock.check()
        end, last_step = self.begins_at or 0, started.resumed_from_step
        try:
            if self._resumed:
                end, last_step = events_file.end_of_checkpoint(
                    self._descriptor,
                    started.resumed_from_checkpoint,
                    started.resumed_from_step,
                    fork=self._summary.parent is not None,
                )
            if self.begins_at is None:
                os.ftruncate(self._descriptor, end)
                os.lseek(self._descriptor, end, os.SEEK_SET)
                self.begins_at = end
            kept = list(events_file.backwards(self._descriptor, end, EpochCompleted, Evaluated))
        except OSError as error:
            raise unwritable(self._run.events, error) from None
        self._steps = started.resumed_from_step
        self._summary = updated(self._summary, started)
        for _, _, event in reversed(kept):
            if isinstance(event, EpochCompleted | Evaluated):
                self._summary = updated(self._summary, event)
        if last_step == started.resumed_from_step:
            return None
        return Warned(
            time=time.time(),
            code="history-incomplete",
            message=f"{self._run.events} lacks the steps {last_step + 1:,} to {started.resumed_from_step:,}",
        )

    def _add(self, event: AnyEvent) -> None:
        line = to_json(event)
        self._lines.append(line)
        self._waiting += len(line) + 1
        if isinstance(event, _FREQUENT):
            if isinstance(event, StepCompleted):
                self._steps = event.step
            if self._waiting < _MOST_WAITING and time.monotonic() - self._written < _LONGEST_WAIT:
                return
        # What comes before it is known where this training begins waits; all of it, if that never is.
        if self.begins_at is None:
            return
        self._write()
        if isinstance(event, Telling):
            self._sum_up(event)

    def _write(self) -> None:
        self._lock.check()
        block = b"\n".join((*self._lines, b""))
        self._lines.clear()
        self._waiting = 0
        try:
            while block:
                block = block[os.write(self._descriptor, block) :]
        except OSError as error:
            raise unwritable(self._run.events, error) from None
        self._written = time.monotonic()

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise unwritable(self._run.events, error) from None

    def _sum_up(self, event: Telling) -> None:
        """Bring the summary and its file up to date."""
        if not isinstance(event, RunStarted):  # which was seen to by _begin
            self._summary = updated(replace(self._summary, steps=self._steps), event)
        self._finished = isinstance(event, RunFinished)
        self._save()

    def _save(self) -> None:
        try:
            replace_file(self._run.summary, to_bytes(self._summary), durable=self._finished)
        except OSError as error:
            raise unwritable(self._run.summary, error) from None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: TracebackType | None) -> None:
        """Write what waits and, where no ``RunFinished`` came, a summary that says how it ended."""
        try:
            if self.begins_at is None:  # nothing was begun, so nothing is changed
                return
            if self._lines:
                self._write()
            if not self._finished:
                self._lock.check()
                failed = isinstance(error, Exception)
                self._finished = True
                self._summary = replace(
                    self._summary,
                    state="failed" if failed else "stopped",
                    steps=self._steps,
                    finished=time.time(),
                    error=printable(error) if failed else None,
                )
                self._save()
        except RunFolderError:
            if error is None or isinstance(error, GeneratorExit):  # any other error came first and says more
                raise
        finally:
            os.close(self._descriptor)
