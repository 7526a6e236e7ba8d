"""The list of runs as a widget: however many there are, only the rows in sight are made, and only those repainted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cifar_experiments.runs.roster import Entry
from cifar_tui.widgets.run_columns import KEYS, Columns, Shown
from cifar_tui.widgets.shapes import Row


class RunTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows runs below one row of titles; one of them is highlighted, and keeps so wherever it moves to.

    It has no keys of its own; ``move`` and ``move_to`` are for those of its screen. ``Highlighted`` is posted
    when another run is highlighted, ``Opened`` on a double click.

    Args:
        ascii: Whether to do without Unicode.
        clock: Gives the seconds since 1970.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"run-table--{key}" for key in (*KEYS, "cursor")}
    DEFAULT_CSS = """
    RunTable {
        width: 1fr;
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        &.-plain { scrollbar-size: 0 0; }
        .run-table--muted { color: $text-muted; }
        .run-table--head { color: $text-muted; text-style: bold; }
        .run-table--live, .run-table--good { color: $success; }
        .run-table--live { text-style: bold; }
        .run-table--paused { color: $warning; text-style: bold; }
        .run-table--bad { color: $error; }
        .run-table--trend { color: $primary; }
        .run-table--mark { color: $secondary; text-style: bold; }
        .run-table--cursor { background: $primary 25%; text-style: bold; }
        &:ansi .run-table--muted, &:ansi .run-table--head { color: ansi_default; text-style: dim; }
        &:ansi .run-table--cursor { background: ansi_default; text-style: reverse; }
    }
    """

    class Highlighted(Message):
        """Another run is highlighted, or what is known of it has changed."""

    class Opened(Message):
        """A run was chosen with the mouse."""

    def __init__(self, *, ascii: bool = False, clock: Callable[[], float] = time.time) -> None:  # noqa: A002
        super().__init__(classes="-plain" if ascii else None)
        self._ascii = ascii
        self._clock = clock
        self._entries: Sequence[Entry] = ()
        self._marked: Collection[Path] = ()
        self._cursor = 0
        self._shown = Shown(clock(), ascii)
        self._columns = Columns.fitting(80)
        self._rows: dict[int, Row] = {}
        """Those that were made for the screen, by their place."""
        self._styles: dict[tuple[str, bool], Style] = {}

    @property
    def highlighted(self) -> Entry | None:
        """The run that keys act on; None where there is none."""
        return self._entries[self._cursor] if self._entries else None

    def show(self, entries: Sequence[Entry], marked: Collection[Path]) -> None:
        """Show these runs from now on, with a mark at those whose folders are ``marked``."""
        before = self.highlighted
        moved = len(entries) != len(self._entries)
        self._entries, self._marked = entries, marked
        self._shown = Shown(self._clock(), self._ascii)
        places = {entry.run.path: place for place, entry in enumerate(entries)}
        last = max(len(entries) - 1, 0)
        self._cursor = (
            min(self._cursor, last) if before is None else places.get(before.run.path, min(self._cursor, last))
        )
        if moved:
            self.virtual_size = Size(self.size.width, len(entries) + 1)
            self._reveal()
        self._repaint_changes()
        if self.highlighted != before:
            self.post_message(self.Highlighted())

    def move(self, rows: int) -> None:
        """Highlight the run some rows further down, or up."""
        self.move_to(self._cursor + rows)

    def move_to(self, place: int) -> None:
        """Highlight the run at ``place``, or the last one; the first one where that is below 0."""
        place = max(0, min(place, len(self._entries) - 1))
        if place != self._cursor:
            self._cursor = place
            self._reveal()
            self._repaint_changes()
            self.post_message(self.Highlighted())

    @property
    def page(self) -> int:
        """How many runs are in sight."""
        return max(self.size.height - 1, 1)

    def render_line(self, y: int) -> Strip:
        """Return a row of the screen: the titles, or the run that is scrolled to it."""
        width = self.scrollable_content_region.width
        if self._columns.width != width:  # or a scroll bar came or went
            self._columns = Columns.fitting(width)
            self._rows.clear()
        if y == 0:
            return self._strip(self._columns.head(), here=False)
        place = y - 1 + self.scroll_offset.y
        if place >= len(self._entries):
            return Strip.blank(self.size.width, self.rich_style)
        if place not in self._rows:
            self._rows[place] = self._row(place)
        return self._strip(self._rows[place], here=place == self._cursor)

    def notify_style_update(self) -> None:
        """Forget the colours of before."""
        super().notify_style_update()
        self._styles.clear()

    def on_resize(self) -> None:
        """Keep the highlighted run in sight."""
        self.virtual_size = Size(self.size.width, len(self._entries) + 1)
        self._reveal()
        self.refresh()

    def on_click(self, event: Click) -> None:
        """Highlight a run; open it by a second click."""
        place = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and place < len(self._entries):
            self.move_to(place)
            if event.chain == 2:
                self.post_message(self.Opened())

    def _row(self, place: int) -> Row:
        entry = self._entries[place]
        marked = entry.run.path in self._marked
        return self._columns.row(entry, self._shown, marked=marked, here=place == self._cursor)

    def _repaint_changes(self) -> None:
        """Make the rows in sight anew, and repaint those that have become others."""
        first = self.scroll_offset.y
        before, self._rows = self._rows, {}
        for place in range(first, first + self.page):
            if place < len(self._entries):
                self._rows[place] = self._row(place)
            if self._rows.get(place) != before.get(place):
                self.refresh(Region(0, place - first + 1, self.size.width, 1))

    def _reveal(self) -> None:
        """Scroll so that the highlighted run is in sight."""
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + self.page:
            self.scroll_to(y=self._cursor - self.page + 1, animate=False)

    def _strip(self, row: Row, *, here: bool) -> Strip:
        segments = [Segment(text, self._style(key, here)) for text, key in row]
        return Strip(segments).adjust_cell_length(self.size.width, self._style("", here))

    def _style(self, key: str, here: bool) -> Style:
        if (key, here) not in self._styles:
            style = self.get_component_rich_style(f"run-table--{key}") if key else self.rich_style
            if here:
                cursor = self.get_component_rich_style("run-table--cursor")
                style = self.rich_style if cursor.reverse else style  # reversed, every colour would be a patch
                style += Style(bgcolor=cursor.bgcolor, bold=True, reverse=cursor.reverse)
            self._styles[key, here] = style
        return self._styles[key, here]
