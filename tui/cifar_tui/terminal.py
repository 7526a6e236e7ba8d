"""What this process may write to the terminal, and where everything else goes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cifar_core.errors import printable
from cifar_experiments.errors import RunFolderError
from cifar_tui.outlet import Outlet


@contextlib.contextmanager
def captured(log: Path) -> Iterator[tuple[Outlet, Outlet]]:
    """Send all that the process prints to ``log``, native libraries included; yield the real outlets.

    Libraries write to descriptors 1 and 2 when they please, in the midst of a progress bar or of the
    JSON that another program parses. Inside this context only what is written to the yielded pair
    (standard output, standard error) reaches whoever started the command; it is left when all of that
    has been read, or cannot be any longer.

    Raises:
        RunFolderError: The log cannot be opened.
    """
    try:
        sink = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise RunFolderError(f"{printable(log)}: cannot be written: {error.strerror}") from None
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, sink)
        outlets = []
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            original = os.dup(descriptor)
            undo.callback(os.close, original)
            undo.callback(os.dup2, original, descriptor)
            undo.callback(_flushed, stream)
            os.dup2(sink, descriptor)
            outlets.append(Outlet(original, stream.encoding, sink))
        for outlet in outlets:  # before anything else is undone: what was written here comes first
            undo.callback(outlet.close)
        yield outlets[0], outlets[1]


def _flushed(stream: TextIO) -> None:
    """Flush to the log what Python still holds; when its disk is full, that is lost and nothing else is."""
    with contextlib.suppress(OSError):
        stream.flush()


def say(sentences: str) -> None:
    """Write sentences for the user, one a line, to standard error; foreign text in them is made harmless."""
    for sentence in sentences.splitlines():
        print(f"cifar-tui: {printable(sentence)}", file=sys.stderr)  # noqa: T201, this is the one place that does
