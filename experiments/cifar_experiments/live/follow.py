"""Following a run's events from its file, as they are written: from the same process, another one or another host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cifar_core.errors import printable
from cifar_experiments.errors import RunFolderError
from cifar_experiments.runs.events_file import newest_beginning

POLL_SECONDS = 0.1
_BLOCK = 1 << 20
# More than one event of a step, whose time no other one has.
_MARK = 256
_STARTED = b'{"type":"RunStarted"'


def follow(path: Path, begin: int = 0, *, alive: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the lines of an event file, all there are and then those that come, in blocks of whole lines.

    Where the run goes on from a checkpoint meanwhile, which takes back what came after it, following goes on
    with the ``RunStarted`` that says so.

    Args:
        path: Of the file.
        begin: Where to begin, in bytes.
        alive: Says whether somebody still writes. Once it does not, the rest is yielded and no more awaited.

    Raises:
        RunFolderError: The file cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            if begin > os.fstat(file.fileno()).st_size:  # cut since somebody looked
                begin = newest_beginning(path)
            yield from _lines(_Place(file.fileno(), begin), path, alive)
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be followed: {error.strerror}") from None


class _Place:
    """How far a file was read, in bytes, and what stands right before: so a file that was cut there is noticed."""

    def __init__(self, descriptor: int, position: int) -> None:
        self._descriptor = descriptor
        self.move(position)

    def move(self, position: int) -> None:
        """Go on elsewhere."""
        self.position = position
        length = min(position, _MARK)
        self._mark = os.pread(self._descriptor, length, position - length)

    def line(self, position: int) -> bytes:
        """Return the beginning of the line that stands elsewhere, as much as tells it from every other one."""
        return os.pread(self._descriptor, _MARK, position).partition(b"\n")[0]

    def read(self) -> bytes | None:
        """Return what comes next, b"" when nothing has come yet; None when what was read is no longer there."""
        block = os.pread(self._descriptor, _BLOCK, self.position)
        # Looked at afterwards: it may be cut, and have grown again, while this reads.
        if os.pread(self._descriptor, len(self._mark), self.position - len(self._mark)) != self._mark:
            return None
        self.position += len(block)
        self._mark = (self._mark + block)[-_MARK:]
        return block


def _lines(place: _Place, path: Path, alive: Callable[[], bool]) -> Iterator[bytes]:
    torn, known = b"", place.line(newest_beginning(path))
    while True:
        # Asked before reading, so that what was written before the end is read.
        more_comes = alive()
        while block := place.read():
            whole, newline, torn = (torn + block).rpartition(b"\n")
            if newline:
                if _STARTED in whole:
                    known = whole[whole.rfind(_STARTED) :].partition(b"\n")[0][:_MARK]
                yield whole + newline
        if block is None:
            begin = newest_beginning(path)
            # Cut, it may not have said yet that it goes on.
            if place.line(begin) != known:
                place.move(begin)
                torn = b""
                continue
        if not more_comes:
            return
        time.sleep(POLL_SECONDS)
