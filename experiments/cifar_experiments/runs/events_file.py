"""The event file of a run: read from its beginning, or from its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cifar_core.errors import printable
from cifar_core.events import AnyEvent, from_json
from cifar_experiments.runs.folder import RunFolderError

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
