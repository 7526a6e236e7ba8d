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

    def __init__(self, descriptor: int, encoding: str, log: TextIO) -> None:
        self._descriptor: int | None = descriptor
        self._encoding = encoding
        self.log = log

    def say(self, text: str) -> None:
        """Write ``text`` and a line feed, here and to the log: for words that are worth keeping."""
        self.write(f"{text}\n")
        self.keep(f"{text}\n")

    def keep(self, text: str) -> None:
        """Write ``text`` to the log alone; a log that cannot be written is no reason to end a training."""
        with contextlib.suppress(OSError, ValueError):
            self.log.write(text)
            self.log.flush()

    def write(self, text: str, /) -> int:
        """Write ``text`` at once, or drop it when the other end is gone."""
        rest = text.encode(self._encoding, errors="replace")
        try:
            while rest and self._descriptor is not None:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._descriptor = None
        return len(text)

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
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.ExitStack() as undo:
        kept_log = undo.enter_context(log.open("a", encoding="utf-8", errors="replace"))
        outlets = []
        for descriptor, encoding in ((1, sys.stdout.encoding), (2, sys.stderr.encoding)):
            original = os.dup(descriptor)
            undo.callback(os.close, original)
            undo.callback(os.dup2, original, descriptor)
            os.dup2(kept_log.fileno(), descriptor)
            outlets.append(Outlet(original, encoding, kept_log))
        undo.callback(sys.stdout.flush)
        undo.callback(sys.stderr.flush)
        yield outlets[0], outlets[1]


def say(sentences: str) -> None:
    """Write sentences for the user, one a line, to standard error; foreign text in them is made harmless."""
    for sentence in sentences.splitlines():
        print(f"cifar-tui: {printable(sentence)}", file=sys.stderr)  # noqa: T201, this is the one place that does
