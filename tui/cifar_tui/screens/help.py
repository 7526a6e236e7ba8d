"""The keys of a screen, made from its bindings: what is listed is what works, under the keys it has now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

Row = tuple[str, str]
"""Keys, and what they do."""

_BORDER = 2
_FRAME = 6
"""Cells that the border, the padding and a scroll bar take."""
_GAP = "    "


class Help(ModalScreen[None]):
    """Lists keys and what they do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "close", id="help.close"),
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, title: str, rows: Sequence[Row]) -> None:
        super().__init__(classes="middle")
        self._title, self._rows = title, rows

    def compose(self) -> ComposeResult:
        """The rows, side by side where they are too many for the height; what does not fit is scrolled to."""
        width = max((len(keys) for keys, _ in self._rows), default=0)
        entries = [Content.assemble((f"{keys:>{width}}", "bold"), f"  {words}") for keys, words in self._rows]
        longest = max((entry.cell_length for entry in entries), default=0)
        room_across, room_down = self.app.size.width - _FRAME, self.app.size.height * 9 // 10 - _BORDER
        columns = 2 if len(entries) > room_down and 2 * longest + len(_GAP) <= room_across else 1
        down = -(-len(entries) // columns)
        left = [entry.pad_right(longest - entry.cell_length) if columns > 1 else entry for entry in entries[:down]]
        lines = [
            Content.assemble(first, _GAP, second) if second is not None else first
            for first, second in zip_longest(left, entries[down:])
        ]
        with VerticalScroll(classes="dialog") as scroll:
            scroll.border_title = self._title
            scroll.border_subtitle = "esc closes"
            yield Static(Content("\n").join(lines))

    def action_scroll_down(self) -> None:
        """As the arrow does."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_scroll_up(self) -> None:
        """As the arrow does."""
        self.query_one(VerticalScroll).scroll_up(animate=False)
