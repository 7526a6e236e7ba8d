"""Recording: every event of a training is appended to its run's file on its way to whoever listens."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from cifar_core.errors import printable
from cifar_core.events import (
    AnyEvent,
    EpochCompleted,
    Evaluated,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
    to_json,
)
from cifar_experiments.atomic import replace_file
from cifar_experiments.runs.folder import Run, RunFolderError, first_summary
from cifar_experiments.runs.summary import to_bytes

_FREQUENT = (StepCompleted, SystemSampled)
_MOST_WAITING = 64 * 1024
_LONGEST_WAIT = 0.2


async def record(run: Run, events: AsyncGenerator[AnyEvent]) -> AsyncGenerator[AnyEvent]:
    """Append every event to the run's file and pass it on; keep the run's summary.

    Step events and system samples may wait in memory, at most 0.2 s as long as events come; anything else
    is written at once, together with what waits. However this ends, ``events`` is closed.

    Raises:
        RunFolderError: if the folder cannot be written, such as when the disk is full.
    """
    with _Recorder(run) as recorder:
        async with aclosing(events):
            async for event in events:
                recorder.add(event)
                yield event


class _Recorder:
    """The open event file of a run, what waits to be written to it, and the summary so far."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lines: list[bytes] = []
        self._waiting = 0
        self._written = time.monotonic()
        self._steps = 0
        self._summary = first_summary(run)
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self._run.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _unwritable(self._run.path, error) from None
        return self

    def add(self, event: AnyEvent) -> None:
        """Record one event."""
        line = to_json(event)
        self._lines.append(line)
        self._waiting += len(line) + 1
        if isinstance(event, _FREQUENT):
            if isinstance(event, StepCompleted):
                self._steps = event.step
            if self._waiting < _MOST_WAITING and time.monotonic() - self._written < _LONGEST_WAIT:
                return
        self._write()
        if isinstance(event, RunStarted | EpochCompleted | Evaluated | RunFinished):
            self._sum_up(event)

    def _write(self) -> None:
        block = b"\n".join((*self._lines, b""))
        self._lines.clear()
        self._waiting = 0
        try:
            while block:
                block = block[os.write(self._descriptor, block) :]
        except OSError as error:
            raise _unwritable(self._run.events, error) from None
        self._written = time.monotonic()

    def _sum_up(self, event: RunStarted | EpochCompleted | Evaluated | RunFinished) -> None:
        """Bring the summary and its file up to date."""
        had = self._summary
        match event:
            case RunStarted():
                self._change(model=event.model, total_steps=event.total_steps, total_epochs=event.epochs)
            case EpochCompleted():
                self._change(
                    epochs=event.epoch,
                    final_loss=event.loss,
                    training_seconds=had.training_seconds + event.training_seconds,
                    evaluation_seconds=had.evaluation_seconds + event.evaluation_seconds,
                    data_seconds=had.data_seconds + event.data_seconds,
                )
            case Evaluated(split="val"):
                self._change(best_top1=max(event.top1, had.best_top1 or 0.0))
            case Evaluated(split="test"):
                self._change(final_top1=event.top1)
            case RunFinished():
                self._steps = event.step
                self._change(
                    state=event.reason,
                    finished=event.time,
                    best_top1=event.best_top1,
                    final_top1=event.final_top1,
                    final_loss=event.final_loss,
                    training_seconds=event.training_seconds,
                    evaluation_seconds=event.evaluation_seconds,
                    data_seconds=event.data_seconds,
                    paused_seconds=event.paused_seconds,
                    error=event.error,
                )
        self._save(durable=isinstance(event, RunFinished))

    def _change(self, **fields: object) -> None:
        self._summary = msgspec.structs.replace(self._summary, **fields)

    def _save(self, *, durable: bool) -> None:
        self._change(steps=self._steps)
        try:
            replace_file(self._run.summary, to_bytes(self._summary), durable=durable)
        except OSError as error:
            raise _unwritable(self._run.summary, error) from None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: TracebackType | None) -> None:
        """Write what waits and, where no ``RunFinished`` came, a summary that says how it ended."""
        try:
            if self._lines:
                self._write()
            if self._summary.state == "running":
                failed = isinstance(error, Exception)
                self._change(
                    state="failed" if failed else "stopped",
                    finished=time.time(),
                    error=printable(error) if failed else None,
                )
                self._save(durable=True)
        except RunFolderError:
            if error is None or isinstance(error, GeneratorExit):  # any other error came first and says more
                raise
        finally:
            os.close(self._descriptor)


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"{printable(path)}: the run cannot be recorded: {error.strerror}; free some space, or choose another folder "
        "with --runs-dir or CIFAR_TUI_RUNS"
    )
