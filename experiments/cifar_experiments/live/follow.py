"""Following a run's events from its file, as they are written: from the same process, another one or another host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cifar_core.errors import printable
from cifar_experiments.runs.errors import RunFolderError
from cifar_experiments.runs.events_file import newest_beginning

POLL_SECONDS = 0.1
_BLOCK = 1 << 20


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
            file.seek(begin)
            torn = b""
            while True:
                # Asked before reading, so that what was written before the end is read.
                more_comes = alive()
                if os.fstat(file.fileno()).st_size < file.tell():
                    file.seek(newest_beginning(path))
                    torn = b""
                while block := file.read(_BLOCK):
                    whole, newline, torn = (torn + block).rpartition(b"\n")
                    if newline:
                        yield whole + newline
                if not more_comes:
                    return
                time.sleep(POLL_SECONDS)
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be followed: {error.strerror}") from None
