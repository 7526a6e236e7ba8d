"""The end of a run's log, followed as it grows."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import work

from cifar_tui.tail import Tail
from cifar_tui.widgets.lines import Lines, folded
from cifar_tui.widgets.plot import clean
from cifar_tui.widgets.shapes import Row

_HANGING = "  "
"""Before what goes on in another row, so that lines are told apart."""
_ROOM_TO_HANG = 24


class LogTail(Lines):
    """Shows the last lines of a file as ``look`` finds them, and keeps to the end until somebody scrolls up.

    Args:
        path: Of the file, which may come, go, and be cut.
        ascii: Whether to do without Unicode.
        id: As for every widget.
        classes: As for every widget.
    """

    def __init__(
        self,
        path: Path,
        *,
        ascii: bool = False,  # noqa: A002 - says what it does
        id: str | None = None,  # noqa: A002 - the name that widgets give it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes, follows=True)
        self._tail = Tail(path)
        self._ascii = ascii
        self._looking = False

    def on_show(self) -> None:
        """Look at once when it comes into sight."""
        self.look()

    def look(self) -> None:
        """Have what is new read, unless that is being done already."""
        if not self._looking:
            self._looking = True
            self._read()

    @work
    async def _read(self) -> None:
        try:
            # A disk may answer late, and no key waits for it.
            lines = await asyncio.to_thread(self._tail.read)
        finally:
            self._looking = False
        if lines is not None:
            self.show(lambda width, _height: log_rows(lines, width, plain=self._ascii))


def log_rows(lines: tuple[str, ...], width: int, *, plain: bool) -> list[Row]:
    """Return printable lines, those that are wider than ``width`` in several rows; ``plain`` asks for ASCII."""
    rows: list[Row] = []
    for line in lines:
        if line.isascii() and len(line) <= width:
            rows.append([(line, "")])
        else:
            cleaned = clean(line, 10_000, plain)
            hanging = _HANGING if width >= _ROOM_TO_HANG else ""
            first, *others = folded(cleaned, max(width - len(hanging), 2))
            rows += [[(first, "")], *([(hanging + piece, "")] for piece in others)]
    return rows
