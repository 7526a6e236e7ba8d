"""The end of a text file that others write: its last lines, whatever becomes of the file."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from cifar_core.errors import printable

FIRST_BYTES = 64 << 10
MOST_LINES = 1000
MOST_CHARACTERS = 2000
"""Of one line; the rest of a longer one is left out."""


class Tail:
    """Reads what is new in a file each time it is asked; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._file: tuple[int, int] | None = None
        """Device and number of the file that was read."""
        self._at = 0
        self._rest = b""
        """The line that has no end yet."""

    def read(self) -> tuple[str, ...] | None:
        """Return the last lines, printable; None where nothing has changed since they were last asked for.

        Of a line with carriage returns, what comes after the last of them is shown, as on a terminal. A file that
        cannot be read is a sentence.
        """
        try:
            there = os.stat(self._path)  # noqa: PTH116 - says that it is looked at, and cheaply
            same = self._file == (there.st_dev, there.st_ino)
            if same and there.st_size == self._at:
                return None
            with self._path.open("rb") as file:
                if not same or there.st_size < self._at:
                    self._begin(there)
                # What is far behind is left out too: a flood of lines is not to be read at its own pace.
                behind = there.st_size - self._at > FIRST_BYTES
                if behind:
                    self._at, self._rest = there.st_size - FIRST_BYTES, b""
                    self._lines.clear()
                file.seek(self._at)
                data = file.read(FIRST_BYTES)
                self._at += len(data)
        except OSError as error:
            return self._missing(error)
        if behind:  # in the midst of a line
            data = data.partition(b"\n")[2]
        *whole, rest = (self._rest + data).split(b"\n")
        self._lines.extend(_text(line) for line in whole)
        self._rest = rest[-4 * MOST_CHARACTERS :]
        return (*self._lines, *([_text(rest)] if rest else ()))

    def _begin(self, there: os.stat_result) -> None:
        self._file, self._at, self._rest = (there.st_dev, there.st_ino), 0, b""
        self._lines.clear()

    def _missing(self, error: OSError) -> tuple[str, ...] | None:
        known, self._file = self._file, None
        if known is None and self._at == -1:
            return None
        self._at = -1
        if isinstance(error, FileNotFoundError):
            return (f"{printable(self._path)} is not there{'.' if known is None else ' any more.'}",)
        return (f"{printable(self._path)} cannot be read: {printable(error.strerror or error)}",)


def _text(line: bytes) -> str:
    shown = line.rstrip(b"\r").rpartition(b"\r")[2]
    return printable(shown.decode("utf-8", "replace").expandtabs(4)[:MOST_CHARACTERS])
