"""What this process may write to the terminal, and where everything else goes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cifar_core.errors import printable
from cifar_experiments.runs import RunFolderError


class Outlet(io.TextIOBase):
    """A text stream that falls silent once it cannot be written, so that a training outlives its reader."""

    def __init__(self, descriptor: int, encoding: str, log: int) -> None:
        self._descriptor: int | None = descriptor
        self._encoding = encoding
        self._log = log
        self.failure: str | None = None
        """Why nothing more is written, unless it is that the reader has left; None while all is well."""

    def say(self, text: str) -> None:
        """Write ``text`` and a line feed, here and to the log: for words that are worth keeping."""
        self.write(f"{text}\n")
        self.keep(f"{text}\n")

    def keep(self, text: str) -> None:
        """Write ``text`` to the log alone; a log that cannot be written is no reason to end a training."""
        with contextlib.suppress(OSError):
            os.write(self._log, text.encode(errors="replace"))

    def write(self, text: str, /) -> int:
        """Write ``text`` at once."""
        self.write_bytes(text.encode(self._encoding, errors="replace"))
        return len(text)

    def write_bytes(self, rest: bytes) -> None:
        """Write bytes as they are, waiting for a reader that is slow."""
        while rest and self._descriptor is not None:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody made it non-blocking; it is the same terminal for all its users
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._descriptor = None
                self.failure = None if error.errno == errno.EPIPE else error.strerror

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The descriptor, for those who ask a terminal for its size."""
        if self._descriptor is None:
            raise io.UnsupportedOperation("nobody reads here any longer")
        return self._descriptor

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What characters can be written, for those who choose between Unicode and ASCII."""
        return self._encoding


@contextlib.contextmanager
def captured(log: Path) -> Iterator[tuple[Outlet, Outlet]]:
    """Send all that the process prints to ``log``, native libraries included; yield the real outlets.

    Libraries write to descriptors 1 and 2 when they please, in the midst of a progress bar or of the
    JSON that another program parses. Inside this context only what is written to the yielded pair
    (standard output, standard error) reaches whoever started the command.

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
        yield outlets[0], outlets[1]


def _flushed(stream: TextIO) -> None:
    """Flush to the log what Python still holds; when its disk is full, that is lost and nothing else is."""
    with contextlib.suppress(OSError):
        stream.flush()


def say(sentences: str) -> None:
    """Write sentences for the user, one a line, to standard error; foreign text in them is made harmless."""
    for sentence in sentences.splitlines():
        print(f"cifar-tui: {printable(sentence)}", file=sys.stderr)  # noqa: T201, this is the one place that does
