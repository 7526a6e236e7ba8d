"""The event file of a run: read from its beginning, or from its end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from cifar_core.errors import printable
from cifar_core.events import AnyEvent, CheckpointSaved, CheckpointStarted, Event, RunStarted, StepCompleted, from_json
from cifar_experiments.errors import RunFolderError

Kind = TypeVar("Kind", bound=Event)

_TAIL = 64 * 1024
_BLOCK = 1 << 20


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


def end_of_checkpoint(descriptor: int, number: int, step: int, *, fork: bool = False) -> tuple[int, int]:
    """Return what belongs to checkpoint ``number``, which holds ``step`` steps: (bytes, last step that they tell of).

    That ends with the checkpoint's ``CheckpointStarted``. Where this is missing, it ends before the first later step.
    Found from the end, where it mostly is: the file of a long training has gigabytes. The first steps of a ``fork``
    were its parent's, and count as told of.

    Raises:
        OSError: The file cannot be read.
    """
    size = os.fstat(descriptor).st_size
    for _, end, mark in backwards(descriptor, size, CheckpointStarted):
        if mark.number == number:
            return end, _last_step(descriptor, end, fork=fork)
        if mark.number < number:
            break
    kept = _end_of_whole_lines(descriptor, size)
    for begin, _, completed in backwards(descriptor, kept, StepCompleted):
        if completed.step <= step:
            break
        kept = begin
    return kept, _last_step(descriptor, kept, fork=fork)


def _end_of_whole_lines(descriptor: int, end: int) -> int:
    while end > 0:
        begin = max(end - _BLOCK, 0)
        if found := os.pread(descriptor, end - begin, begin).rfind(b"\n") + 1:
            return begin + found
        end = begin
    return 0


def _last_step(descriptor: int, end: int, *, fork: bool) -> int:
    kinds = (StepCompleted, RunStarted) if fork else (StepCompleted,)
    for _, _, event in backwards(descriptor, end, *kinds):
        return event.step if isinstance(event, StepCompleted) else event.resumed_from_step
    return 0


def newest_beginning(path: Path) -> int:
    """Return where the newest ``RunStarted`` stands, in bytes from the start; 0 where there is none.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        descriptor = file.fileno()
        found = backwards(descriptor, os.fstat(descriptor).st_size, RunStarted)
        return next((begin for begin, _, _ in found), 0)


def was_saved(path: Path) -> bool:
    """Whether the events tell of a checkpoint of this run that was saved.

    Raises:
        RunFolderError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            descriptor = file.fileno()
            size = os.fstat(descriptor).st_size
            beginnings = 0
            for _, _, event in backwards(descriptor, size, CheckpointSaved, RunStarted):
                beginnings += isinstance(event, RunStarted)
                # What was cut back to a checkpoint lacks the word that it was saved; but it has gone on from it.
                if isinstance(event, CheckpointSaved) or beginnings == 2:
                    return True
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be read: {error.strerror}") from None
    return False


def backwards(descriptor: int, end: int, *kinds: type[Kind]) -> Iterator[tuple[int, int, Kind]]:
    """Yield (begin, end, event) of each whole line before ``end`` that holds an event of the kinds, the last first.

    What something else has damaged is passed over. Not by a memory map: a file that is cut meanwhile, or whose disk
    fails, would end the process.

    Raises:
        OSError: The file cannot be read.
    """
    heads = [b'{"type":"%s"' % kind.__name__.encode() for kind in kinds]
    position, later = end, b""
    while position > 0:
        size = min(position, _BLOCK)
        position -= size
        block = os.pread(descriptor, size, position) + later
        # What comes before the first line feed ends a line that begins in the block before.
        first = block.find(b"\n") + 1 if position else 0
        if position and not first:
            later = block
            continue
        later = block[:first]
        at = len(block)
        while (at := max(block.rfind(head, first, at) for head in heads)) >= 0:
            line_end = block.find(b"\n", at) + 1
            if not line_end or (at > first and block[at - 1 : at] != b"\n"):
                continue
            with contextlib.suppress(ValueError, RecursionError):
                event = from_json(block[at:line_end])
                if isinstance(event, kinds):
                    yield position + at, position + line_end, event
