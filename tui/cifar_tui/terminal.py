"""What this process may write to the terminal, and where everything else goes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cifar_core.errors import printable


class Outlet(io.TextIOBase):
    """A text stream that falls silent once nobody reads it, so that a training outlives its reader."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._terminal = stream.isatty()

    def write(self, text: str, /) -> int:
        """Write and flush ``text``, or drop it when the other end is gone."""
        if self._stream is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None
        return len(text)

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        return self._terminal

    def fileno(self) -> int:
        """The descriptor, for those who ask a terminal for its size."""
        if self._stream is None:
            raise io.UnsupportedOperation("closed by its reader")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What characters can be written, for those who choose between Unicode and ASCII."""
        return self._stream.encoding if self._stream is not None else "utf-8"


@contextlib.contextmanager
def captured(log: Path) -> Iterator[tuple[Outlet, Outlet]]:
    """Send all that the process prints to ``log``, native libraries included; yield the real outlets.

    Libraries write to descriptors 1 and 2 when they please, in the midst of a progress bar or of the
    JSON that another program parses. Inside this context only what is written to the yielded pair
    (standard output, standard error) reaches whoever started the command.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.ExitStack() as undo:
        outlets = []
        with log.open("ab", buffering=0) as sink:
            for descriptor, encoding in ((1, sys.stdout.encoding), (2, sys.stderr.encoding)):
                kept = os.dup(descriptor)
                undo.callback(os.close, kept)
                undo.callback(os.dup2, kept, descriptor)
                os.dup2(sink.fileno(), descriptor)
                stream = undo.enter_context(open(kept, "w", encoding=encoding, errors="replace", closefd=False))
                outlets.append(Outlet(stream))
        undo.callback(sys.stdout.flush)
        undo.callback(sys.stderr.flush)
        yield outlets[0], outlets[1]


def say(sentence: str) -> None:
    """Write one sentence for the user to standard error, foreign text made harmless."""
    print(f"cifar-tui: {printable(sentence)}", file=sys.stderr)  # noqa: T201, this is the one place that does
