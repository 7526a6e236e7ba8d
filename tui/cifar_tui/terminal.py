"""What this process may write to the terminal, and where everything else goes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
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
    with contextlib.ExitStack() as undo:
        sink = _opened(log)
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


@contextlib.contextmanager
def redirected(log: Path) -> Iterator[Callable[[str], None]]:
    """Send what the process prints to another ``log`` for a while, inside ``captured``; yield what writes to it.

    Raises:
        RunFolderError: The log cannot be opened.
    """
    with contextlib.ExitStack() as undo:
        sink = _opened(log)
        undo.callback(os.close, sink)
        for stream, descriptor in ((sys.__stdout__, 1), (sys.__stderr__, 2)):
            before = os.dup(descriptor)
            undo.callback(os.close, before)
            undo.callback(os.dup2, before, descriptor)
            if stream is not None:
                _flushed(stream)
                undo.callback(_flushed, stream)
            os.dup2(sink, descriptor)

        def write(text: str) -> None:
            with contextlib.suppress(OSError):  # a log that cannot be written is no reason to end a training
                os.write(sink, text.encode(errors="replace"))

        yield write


def _opened(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise RunFolderError(f"{printable(log)}: cannot be written: {error.strerror}") from None


def _flushed(stream: TextIO) -> None:
    """Flush to the log what Python still holds; when its disk is full, that is lost and nothing else is."""
    with contextlib.suppress(OSError):
        stream.flush()


def is_interactive() -> bool:
    """Whether there is a terminal that screens can be shown on, and a person to look at them."""
    there = all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stdout__))
    return there and os.environ.get("TERM") not in (None, "", "dumb") and not os.environ.get("CI")


def say(sentences: str) -> None:
    """Write sentences for the user, one a line, to standard error; foreign text in them is made harmless."""
    for sentence in sentences.splitlines():
        print(f"cifar-tui: {printable(sentence)}", file=sys.stderr)  # noqa: T201, this is the one place that does
