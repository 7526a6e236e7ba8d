"""A list of lines with a cursor; only what is visible is drawn, and only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from cifar_core.errors import printable

_REVERSE = Style(reverse=True)

Draw = Callable[[int, int], Content]
"""Returns the line of an index, for a width in cells."""


def cut(text: object, width: int, *, ascii: bool = False) -> str:  # noqa: A002 - says what it does
    """Return foreign text as exactly ``width`` harmless cells."""
    line = printable(text)
    if ascii:
        line = line.encode("ascii", "replace").decode()
    if cell_len(line) <= width or width < 2:
        return set_cell_size(line, max(0, width))
    return set_cell_size(line, width - 1) + ("~" if ascii else "…")


class Rows(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines, of which the one under the cursor is highlighted; or a sentence in their place.

    Args:
        draw: Makes the lines.
        id: As for every widget.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--row", "rows--cursor", "rows--sentence", "rows--muted"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", id="list.up", show=False),
        Binding("down,j", "move(1)", "down", id="list.down", show=False),
        Binding("pageup", "page(-1)", "a page up", id="list.page-up", show=False),
        Binding("pagedown", "page(1)", "a page down", id="list.page-down", show=False),
        Binding("home,g", "go(0)", "first", id="list.first", show=False),
        Binding("end,G", "go(-1)", "last", id="list.last", show=False),
    ]
    DEFAULT_CSS = """
    Rows {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        .rows--cursor { background: $block-cursor-blurred-background; text-style: bold; }
        .rows--sentence { color: $text-muted; }
        .rows--muted { color: $foreground 65%; }
        &:ansi .rows--muted { color: ansi_default; text-style: dim; }
        &.-wrong .rows--sentence { color: $text-error; }
        &:focus .rows--cursor { background: $primary 45%; text-style: bold; }
        &:ansi:focus .rows--cursor { background: ansi_default; text-style: bold reverse; }
    }
    """

    class Moved(Message):
        """The user put the cursor on another line."""

        def __init__(self, rows: Rows, index: int) -> None:
            super().__init__()
            self.rows, self.index = rows, index

        @property
        def control(self) -> Rows:
            """The list, for ``on``."""
            return self.rows

    def __init__(self, draw: Draw, *, id: str | None = None) -> None:  # noqa: A002 - the name that widgets give it
        super().__init__(id=id)
        self._draw = draw
        self._count = 0
        self._sentence = Content("")
        self.cursor: int | None = None
        """The index of the line under the cursor."""

    def show(self, count: int, cursor: int | None, *, sentence: str = "", wrong: bool = False) -> None:
        """Draw all anew: so many lines; where there are none, a sentence, which foreign text may be part of."""
        self._count, self.cursor = count, cursor if cursor is None or cursor < count else None
        self._sentence = Content("\n").join([Content(printable(line)) for line in sentence.split("\n")])
        self.set_class(wrong, "-wrong")
        self._measure()
        self.refresh()
        self.call_after_refresh(self._keep_cursor_in_sight)

    def on_resize(self) -> None:
        """Wrap the sentence anew, and keep the cursor in sight."""
        self._measure()
        self._keep_cursor_in_sight()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        width, index = self.scrollable_content_region.width, self.scroll_offset.y + y
        base = self.get_visual_style("rows--row")
        if self._count == 0:
            style = self.get_visual_style("rows--row", "rows--sentence")
            lines = self._sentence.wrap(width) if width else []
            drawn = lines[index] if index < len(lines) else Content("")
        else:
            style = self.get_visual_style("rows--row", "rows--cursor") if index == self.cursor else base
            drawn = self._draw(index, width) if index < self._count else Content("")
        strips = Visual.to_strips(self, drawn.truncate(width, pad=True), width, 1, style)
        strip = strips[0].extend_cell_length(width, style.rich_style) if strips else Strip.blank(width)
        # Textual's own styles of content leave that out, and a terminal with 16 colours has little else.
        reverse = index == self.cursor and self.get_component_rich_style("rows--cursor").reverse
        return strip.apply_style(_REVERSE) if reverse else strip

    def action_move(self, by: int) -> None:
        """Move the cursor; without one, to the first or the last line."""
        start = (-1 if by > 0 else self._count) if self.cursor is None else self.cursor
        self._go(start + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by what is in sight."""
        self._go((self.cursor or 0) + by * max(1, self.scrollable_content_region.height - 1))

    def action_go(self, index: int) -> None:
        """Move the cursor to a line, -1 for the last."""
        self._go(self._count - 1 if index < 0 else index)

    def on_click(self, event: Click) -> None:
        """Move the cursor to where the mouse is."""
        index = event.y + self.scroll_offset.y
        if 0 <= index < self._count:
            self._go(index)

    def redraw(self, index: int | None) -> None:
        """Draw one line anew."""
        if index is not None:
            self.refresh(Region(0, index - self.scroll_offset.y, self.size.width, 1))

    def _go(self, index: int) -> None:
        index = max(0, min(index, self._count - 1))
        if self._count == 0 or index == self.cursor:
            return
        before, self.cursor = self.cursor, index
        self.redraw(before)
        self.redraw(index)
        self._keep_cursor_in_sight()
        self.post_message(self.Moved(self, index))

    def _measure(self) -> None:
        width = self.scrollable_content_region.width
        height = self._count or (len(self._sentence.wrap(width)) if width else 0)
        self.virtual_size = Size(width, height)

    def _keep_cursor_in_sight(self) -> None:
        if self.cursor is not None:
            line = Region(0, self.cursor, self.scrollable_content_region.width, 1)
            self.scroll_to_region(line, animate=False, force=True, immediate=True)
