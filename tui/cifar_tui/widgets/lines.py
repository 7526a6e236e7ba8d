"""Rows of text as a widget that repaints only those that changed, and scrolls where there are more than fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cifar_tui.widgets.shapes import Row

KEYS = ("strong", "muted", "good", "bad", "notice", "bar", "second")
"""How a piece of text can look; an empty key is plain text."""

Drawing = Callable[[int, int], list[Row]]
"""Returns rows for a width and a height; there may be more of them, and narrower ones."""


class Lines(ScrollView, can_focus=True):
    """Shows what a ``Drawing`` returns; like ``Chart`` it has no timer, and every picture comes with ``show``.

    Args:
        id: As for every widget.
        classes: As for every widget.
        follows: Whether it stays at the end as long as nobody scrolls up.
        focusable: Whether it can have the focus, as only what may need scrolling has to.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"lines--{key}" for key in KEYS}
    DEFAULT_CSS = """
    Lines {
        width: 1fr;
        height: 1fr;
        scrollbar-size: 0 0;
        overflow-x: hidden;
        .lines--strong { text-style: bold; color: $foreground; }
        .lines--muted { color: $text-muted; }
        .lines--good { color: $success; }
        .lines--bad { color: $error; text-style: bold; }
        .lines--notice { color: $secondary; text-style: bold; }
        .lines--bar { color: $primary; }
        .lines--second { color: $secondary; }
        &:ansi .lines--muted { color: ansi_default; text-style: dim; }
    }
    """

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the name that widgets give it
        classes: str | None = None,
        follows: bool = False,
        focusable: bool = True,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = focusable
        self._follows = follows
        self._drawing: Drawing = lambda _width, _height: []
        self._rows: list[Row] = []
        self._drawn: Size | None = None
        self._colours: dict[str, Style] = {}

    def show(self, drawing: Drawing) -> None:
        """Show ``drawing`` from now on."""
        self._drawing = drawing
        if self.size:
            self._draw()

    @property
    def in_sight(self) -> str:
        """Which rows are shown, where not all are: ``11-20/100``."""
        height, count = self.size.height, len(self._rows)
        first = self.scroll_offset.y
        return f"{first + 1}-{min(first + height, count)}/{count}" if 0 < height < count else ""

    def on_resize(self, _event: events.Resize) -> None:
        """Draw anew for the new size."""
        if self.size and self._drawn != self.size:
            self._draw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say in the border which rows are shown."""
        super().watch_scroll_y(old_value, new_value)
        self._say_where()

    def render_line(self, y: int) -> Strip:
        """Return a row of those in sight."""
        width, place = self.size.width, y + self.scroll_offset.y
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        strip = Strip([Segment(text, self._style(key)) for text, key in self._rows[place]])
        return strip.adjust_cell_length(width, self.rich_style)

    def notify_style_update(self) -> None:
        """Forget what was painted in other colours."""
        super().notify_style_update()
        self._colours.clear()

    def _draw(self) -> None:
        before, sized = self._rows, self._drawn
        at_end = self.scroll_offset.y >= len(before) - max((sized or self.size).height, self.size.height)
        self._drawn = self.size
        self._rows = self._drawing(self.size.width, self.size.height)
        if len(self._rows) != len(before) or sized != self.size:
            self.virtual_size = Size(self.size.width, len(self._rows))
            self.refresh()
            if self._follows and at_end:
                self.scroll_to(y=len(self._rows), animate=False, force=True)
            self._say_where()
            return
        first = self.scroll_offset.y
        for y in range(first, min(first + self.size.height, len(before))):
            if self._rows[y] != before[y]:
                self.refresh(Region(0, y - first, self.size.width, 1))

    def _say_where(self) -> None:
        if self.border_subtitle != self.in_sight:
            self.border_subtitle = self.in_sight

    def _style(self, key: str) -> Style:
        if key not in self._colours:
            style = self.get_component_rich_style(f"lines--{key}") if key else self.rich_style
            self._colours[key] = style
        return self._colours[key]


def wide(row: Row) -> int:
    """Return how many cells a row takes."""
    return sum(cell_len(text) for text, _ in row)


def folded(text: str, width: int) -> list[str]:
    """Return printable text cut into pieces of at most ``width`` cells, between words where there are some."""
    pieces: list[str] = []
    rest = text
    while cell_len(rest) > width:
        taken = used = 0
        while (size := cell_len(rest[taken])) + used <= width:
            used += size
            taken += 1
        space = rest.rfind(" ", 0, taken + 1)
        taken = space if space > taken // 2 else max(taken, 1)
        pieces.append(rest[:taken])
        rest = rest[taken:].lstrip(" ")
    return [*pieces, rest]
