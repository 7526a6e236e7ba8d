"""The short form of a run, which a list of runs reads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cifar_core.errors import printable
from cifar_experiments.runs.errors import RunFolderError


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of runs shows of one, so that it need not read the events."""

    id: str
    experiment: str
    model: str
    state: str
    """created, running, completed, stopped, diverged or failed."""
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
    final_loss: float | None = None
    """Mean training loss of the newest whole epoch."""
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    data_seconds: float = 0.0
    paused_seconds: float = 0.0
    error: str | None = None
    """One sentence, where the state is diverged or failed."""


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
