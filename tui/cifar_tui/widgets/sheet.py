"""A table to be read: its titles and its first column stay in sight however far it is scrolled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cifar_tui.widgets.rows import cut
from cifar_tui.widgets.shapes import LOOKS, Row

KEYS = ("muted", "head", "strong", "live", "paused", "good", "bad")

_WIDEST = 34


def _rules() -> str:
    """Return the colours of lines, as those of a chart, for the titles that name them."""
    rules = [f".sheet--{style} {{ color: {look.dark}; }}" for style, look in LOOKS.items()]
    rules += [f"&:light .sheet--{style} {{ color: {look.light}; }}" for style, look in LOOKS.items()]
    rules += [f"&:ansi .sheet--{style} {{ color: {look.ansi}; }}" for style, look in LOOKS.items()]
    return "\n".join(rules)


class Sheet(ScrollView, can_focus=True):
    """Shows cells in columns as wide as they need; the first is set left, the others right.

    Args:
        empty: The sentence that stands in place of a table without rows.
        ascii: Whether to do without Unicode.
        id: As for every widget.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"sheet--{key}" for key in (*KEYS, *LOOKS)}
    DEFAULT_CSS = f"""
    Sheet {{
        width: 1fr;
        height: 1fr;
        scrollbar-size: 0 1;
        &.-plain {{ scrollbar-size: 0 0; }}
        .sheet--muted {{ color: $text-muted; }}
        .sheet--head {{ color: $text-muted; text-style: bold; }}
        .sheet--strong {{ text-style: bold; }}
        .sheet--live, .sheet--good {{ color: $success; }}
        .sheet--paused {{ color: $warning; }}
        .sheet--bad {{ color: $error; }}
        {_rules()}
        &:ansi .sheet--muted, &:ansi .sheet--head {{ color: ansi_default; text-style: dim; }}
    }}
    """

    def __init__(self, empty: str, *, ascii: bool, id: str) -> None:  # noqa: A002 - the names that widgets give them
        super().__init__(id=id, classes="pane -plain" if ascii else "pane")
        self._empty = empty
        self._ascii = ascii
        self._lines: list[Row] = [[(empty, "muted")]]
        self._first = 0
        """Cells of the first column."""
        self._width = cell_len(empty)
        self._styles: dict[str, Style] = {}

    def show(self, titles: Sequence[Row], body: Sequence[Sequence[Row]]) -> None:
        """Show a table from now on; what is foreign in it has been made printable."""
        if body:
            cells = [titles, *body]
            widths = [min(max(_size(row[column]) for row in cells), _WIDEST) for column in range(len(titles))]
            self._lines = [self._line(row, widths) for row in cells]
            self._first, self._width = widths[0], sum(widths) + 2 * (len(widths) - 1)
        else:
            self._lines, self._first, self._width = [[(self._empty, "muted")]], 0, cell_len(self._empty)
        self.virtual_size = Size(self._width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a row of the screen."""
        place = y if y == 0 else y + self.scroll_offset.y
        width = self.size.width
        if place >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        whole = Strip([Segment(text, self._style(key)) for text, key in self._lines[place]], self._width)
        kept = min(self._first, width)
        left, right = self.scroll_offset.x + kept, self.scroll_offset.x + width
        return Strip.join([whole.crop(0, kept), whole.crop(left, right)]).adjust_cell_length(width, self.rich_style)

    def notify_style_update(self) -> None:
        """Forget the colours of before."""
        super().notify_style_update()
        self._styles.clear()

    def _line(self, row: Sequence[Row], widths: Sequence[int]) -> Row:
        line: Row = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            *before, (text, key) = cell or [("", "")]
            room = width - sum(cell_len(piece) for piece, _ in before)
            text = cut(text, room, ascii=self._ascii) if cell_len(text) > room else text
            free = " " * (room - cell_len(text))
            gap = "  " if column else ""
            line += [*before, (text + free, key)] if column == 0 else [(gap + free, ""), *before, (text, key)]
        return line

    def _style(self, key: str) -> Style:
        if key not in self._styles:
            self._styles[key] = self.get_component_rich_style(f"sheet--{key}") if key else self.rich_style
        return self._styles[key]


def _size(cell: Row) -> int:
    return sum(cell_len(text) for text, _ in cell)
