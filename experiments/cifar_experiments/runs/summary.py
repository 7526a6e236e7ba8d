"""The short form of a run, which a list of runs reads."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from cifar_core.errors import printable
from cifar_core.events import EpochCompleted, Evaluated, Paused, Resumed, RunFinished, RunStarted
from cifar_experiments.errors import RunFolderError

State = Literal["created", "running", "paused", "completed", "stopped", "diverged", "failed", "crashed"]
MOST_ACCURACIES = 64


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of runs shows of one, so that it need not read the events."""

    id: str
    experiment: str
    model: str
    state: State
    """A file never says crashed: that is found out."""
    parent: str | None = None
    """The folder of the run from whose last checkpoint it went on; None for one that began by itself."""
    pid: int
    host: str
    """The process that runs it, and where: a running state of a process that is gone is not true."""
    started: float
    finished: float | None = None
    """Seconds since 1970-01-01 UTC."""
    steps: int = 0
    total_steps: int | None = None
    epochs: int = 0
    """Whole ones that were completed."""
    total_epochs: int
    best_top1: float | None = None
    """Highest on the validation images."""
    final_top1: float | None = None
    """Newest on the test images."""
    extra_top1: dict[str, float] = {}
    """By name, on each extra test set that was evaluated on."""
    final_loss: float | None = None
    """Mean training loss of the newest whole epoch."""
    evaluations: int = 0
    """On the images that are judged by: validation where there are some, else test."""
    accuracies: tuple[float, ...] = ()
    """Top-1 of these evaluations, oldest first, at most 64: of more, every second is left out, and again of those."""
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    data_seconds: float = 0.0
    paused_seconds: float = 0.0
    error: str | None = None
    """One sentence, where the state is diverged or failed."""


Telling = RunStarted | EpochCompleted | Evaluated | Paused | Resumed | RunFinished
"""The events that change a summary."""


def updated(summary: Summary, event: Telling) -> Summary:
    """Return the summary with what an event says. A ``RunStarted`` takes back all that a run had come to."""
    match event:
        case RunStarted():
            return Summary(
                id=summary.id,
                experiment=summary.experiment,
                model=event.model,
                state="running",
                parent=summary.parent,
                pid=os.getpid(),
                host=socket.gethostname(),
                started=summary.started,
                steps=event.resumed_from_step,
                total_steps=event.total_steps,
                total_epochs=event.epochs,
            )
        case EpochCompleted():
            return replace(
                summary,
                epochs=event.epoch,
                final_loss=event.loss,
                training_seconds=summary.training_seconds + event.training_seconds,
                evaluation_seconds=summary.evaluation_seconds + event.evaluation_seconds,
                data_seconds=summary.data_seconds + event.data_seconds,
            )
        case Evaluated(split="val"):
            best = max(event.top1, summary.best_top1 or 0.0)
            if summary.best_top1 is None:  # until now it was judged by the test images
                summary = replace(summary, evaluations=0, accuracies=())
            return replace(_judged(summary, event.top1), best_top1=best)
        case Evaluated(split="test"):
            if summary.best_top1 is None:
                summary = _judged(summary, event.top1)
            return replace(summary, final_top1=event.top1)
        case Evaluated(extra_test=str(name)):
            return replace(summary, extra_top1={**summary.extra_top1, name: event.top1})
        case Paused():
            return replace(summary, state="paused")
        case Resumed():
            return replace(summary, state="running")
        case RunFinished():
            return replace(
                summary,
                state=event.reason,
                steps=event.step,
                finished=event.time,
                best_top1=event.best_top1,
                final_top1=event.final_top1,
                extra_top1=event.extra_top1,
                final_loss=event.final_loss,
                training_seconds=event.training_seconds,
                evaluation_seconds=event.evaluation_seconds,
                data_seconds=event.data_seconds,
                paused_seconds=event.paused_seconds,
                error=event.error,
            )
    return summary


def _judged(summary: Summary, top1: float) -> Summary:
    """Return the summary with one more accuracy; those that are kept lie a power of two evaluations apart."""
    number, kept = summary.evaluations, summary.accuracies
    apart = 1 << (number // MOST_ACCURACIES).bit_length()
    if number % apart == 0:
        kept = (*(kept[::2] if len(kept) == MOST_ACCURACIES else kept), top1)
    return replace(summary, evaluations=number + 1, accuracies=kept)


def to_bytes(summary: Summary) -> bytes:
    """Return a summary as the JSON text that its file holds."""
    return msgspec.json.format(msgspec.json.encode(summary)) + b"\n"


def read_summary(path: Path) -> Summary:
    """Return the summary that a file holds.

    Raises:
        RunFolderError: It cannot be read, or holds none of this version.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{printable(path)}: is no summary of a run: {printable(error)}") from None
