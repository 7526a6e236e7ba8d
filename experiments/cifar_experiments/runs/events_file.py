"""The event file of a run: read from its beginning, or from its end."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from cifar_core.errors import printable
from cifar_core.events import AnyEvent, CheckpointSaved, CheckpointStarted, Event, RunStarted, StepCompleted, from_json
from cifar_experiments.runs.errors import RunFolderError

Kind = TypeVar("Kind", bound=Event)

_TAIL = 64 * 1024


def read_events(path: Path) -> Iterator[AnyEvent]:
    """Yield the events of a file that may still be written: a last line that is not whole yet is its end.

    Raises:
        RunFolderError: if the file cannot be read, or a whole line of it is no event.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield from_json(line)
                except (ValueError, RecursionError) as error:
                    raise RunFolderError(f"{printable(path)}:{number}: is no event: {printable(error)}") from None
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be read: {error.strerror}") from None


def newest_events(path: Path) -> list[AnyEvent]:
    """Return the last events of a file, in order: as many as its last 64 KiB hold; none where it cannot be read.

    However long the file is, this takes the same time. Lines that are no events are passed over.
    """
    try:
        with path.open("rb") as file:
            begin = max(file.seek(0, os.SEEK_END) - _TAIL, 0)
            file.seek(begin)
            *lines, _torn = file.read().split(b"\n")
    except OSError:
        return []
    events = []
    for line in lines[1:] if begin else lines:
        try:
            events.append(from_json(line))
        except (ValueError, RecursionError):
            continue
    return events


def end_of_checkpoint(descriptor: int, number: int, step: int) -> tuple[int, int]:
    """Return what belongs to checkpoint ``number``, which holds ``step`` steps: (bytes, last step among them).

    That ends with the checkpoint's ``CheckpointStarted``. Where that is missing, it ends before the first later step.
    Found from the end, where it mostly is: the file of a long training has gigabytes.

    Raises:
        OSError: The file cannot be read.
    """
    with _mapped(descriptor) as log:
        for _, end, mark in _backwards(log, CheckpointStarted, len(log)):
            if mark.number == number:
                return end, _last_step(log, end)
            if mark.number < number:
                break
        kept = log.rfind(b"\n") + 1
        for begin, _, completed in _backwards(log, StepCompleted, kept):
            if completed.step <= step:
                break
            kept = begin
        return kept, _last_step(log, kept)


def newest_beginning(path: Path) -> int:
    """Return where the newest ``RunStarted`` stands, in bytes from the start; 0 where there is none.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file, _mapped(file.fileno()) as log:
        return next((begin for begin, _, _ in _backwards(log, RunStarted, len(log))), 0)


def was_saved(path: Path) -> bool:
    """Whether the events tell of a checkpoint that was saved.

    Raises:
        RunFolderError: The file cannot be read.
    """
    try:
        with path.open("rb") as file, _mapped(file.fileno()) as log:
            return any(_backwards(log, CheckpointSaved, len(log)))
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def _mapped(descriptor: int) -> Iterator[mmap.mmap | bytes]:
    """The content of a file, of which only what is looked at is read."""
    if os.fstat(descriptor).st_size == 0:  # which cannot be mapped
        yield b""
        return
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        yield content


def _last_step(log: mmap.mmap | bytes, end: int) -> int:
    return next((completed.step for _, _, completed in _backwards(log, StepCompleted, end)), 0)


def _backwards(log: mmap.mmap | bytes, kind: type[Kind], end: int) -> Iterator[tuple[int, int, Kind]]:
    """Yield (begin, end, event) of each whole line before ``end`` that holds an event of ``kind``, the last first."""
    head = b'{"type":"%s"' % kind.__name__.encode()
    begin = end
    while (begin := log.rfind(head, 0, begin)) >= 0:
        line_end = log.find(b"\n", begin, end) + 1
        if not line_end or (begin and log[begin - 1 : begin] != b"\n"):
            continue
        # What something else has damaged is passed over.
        with contextlib.suppress(ValueError, RecursionError):
            event = from_json(log[begin:line_end])
            if isinstance(event, kind):
                yield begin, line_end, event
