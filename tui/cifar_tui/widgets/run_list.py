"""The list of runs with its filter, order and marks, and what is said of the whole and of the highlighted one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cifar_core.errors import CifarError, printable
from cifar_experiments.runs import Run, runs_folder
from cifar_experiments.runs.roster import Entry, Roster
from cifar_tui.run_order import ORDERS, Order, matching, ordered
from cifar_tui.run_words import LIVE
from cifar_tui.settings import Layout
from cifar_tui.widgets.run_columns import state_of
from cifar_tui.widgets.run_detail import RunDetail
from cifar_tui.widgets.run_table import RunTable


class RunList(Vertical):
    """Shows the runs of a folder as they were when ``look`` was last awaited.

    Args:
        runs_dir: See ``runs_folder``.
        layout: Remembers the order.
        ascii: Whether to do without Unicode.
    """

    DEFAULT_CSS = """
    RunList {
        #head { height: 1; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
        #filter { display: none; padding: 0 1; background: $surface; }
        #filter.-open { display: block; }
        #nothing { display: none; height: 1fr; padding: 1 2; color: $text-muted; }
        &.-empty RunTable, &.-empty RunDetail { display: none; }
        &.-empty #nothing { display: block; }
    }
    """

    def __init__(self, runs_dir: Path | None, layout: Layout, *, ascii: bool) -> None:  # noqa: A002
        super().__init__()
        self._folder = runs_folder(runs_dir)
        self._roster = Roster(runs_dir)
        self._layout = layout
        self._ascii = ascii
        self._entries: list[Entry] | None = None
        """All runs, the newest first; None before the first look."""
        self._shown: list[Entry] = []
        self._marks: set[Path] = set()
        self._fault: str | None = None
        """Why the folder cannot be looked at."""
        self._told: Content | None = None
        # Kept, not looked for: a look at the folder may end when the screen is being taken down.
        self.table = RunTable(ascii=ascii)
        self._detail = RunDetail()
        self._head, self._sentence = Static("", id="head"), Static("", id="nothing")
        self._field = Input(
            id="filter", compact=True, placeholder="id, experiment, model, state; enter keeps, esc clears"
        )
        self._field.cursor_blink = False  # an idle screen sends nothing

    def compose(self) -> ComposeResult:
        """One line about the whole, the filter while it is used, the runs, and the highlighted one."""
        yield from (self._head, self._field, self.table, self._sentence, self._detail)

    def on_mount(self) -> None:
        """Say that nothing is known yet."""
        self.table.focus()
        self._draw()

    @property
    def highlighted(self) -> Entry | None:
        """The run that keys act on; None where none is shown."""
        return self.table.highlighted

    @property
    def marked(self) -> list[Run]:
        """The marked runs, the newest first, whether they are shown or not."""
        return [entry.run for entry in self._entries or [] if entry.run.path in self._marks]

    async def look(self) -> None:
        """Bring the list up to date; what has not changed is not repainted."""
        try:
            self._entries = await asyncio.to_thread(self._roster.refresh)
            self._fault = None
            self._marks &= {entry.run.path for entry in self._entries}
        except CifarError as error:
            self._entries, self._fault = [], str(error)
        self._draw()

    def sort(self) -> None:
        """Go by the next order."""
        order, _ = self._order
        self._layout.sort = ORDERS[(ORDERS.index(order) + 1) % len(ORDERS)]
        self._draw()

    def reverse(self) -> None:
        """Turn the order round."""
        order, backwards = self._order
        self._layout.sort = order if backwards else f"-{order}"
        self._draw()

    def mark(self) -> None:
        """Mark the highlighted run, or take its mark away, and go on to the next."""
        if self.highlighted is not None:
            self._marks ^= {self.highlighted.run.path}
            self.table.move(1)
            self._draw()

    def mark_all(self) -> None:
        """Mark all runs shown; take their marks away where all have one."""
        shown = {entry.run.path for entry in self._shown}
        self._marks = self._marks - shown if shown <= self._marks else self._marks | shown
        self._draw()

    def open_filter(self) -> None:
        """Have typed what the runs shown must have."""
        self._field.add_class("-open")
        self._field.focus()

    def clear_filter(self) -> bool:
        """Show all runs again; return whether some were left out, or might have been."""
        was_open = self._field.has_class("-open")
        self._field.value = ""
        self._filter_done()
        return was_open

    @property
    def _order(self) -> tuple[Order, bool]:
        name = self._layout.sort
        order = next((each for each in ORDERS if each == name.removeprefix("-")), ORDERS[0])
        return order, name.startswith("-")

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self._field.set_class(bool(self._field.value), "-open")
        self.table.focus()

    @on(RunTable.Highlighted)
    def _highlighted(self) -> None:
        self._detail.show(self.highlighted)

    def _draw(self) -> None:
        order, backwards = self._order
        self._shown = ordered(matching(self._entries or [], self._field.value), order, backwards=backwards)
        self.table.show(self._shown, self._marks)
        self._detail.show(self.highlighted)
        self.set_class(not self._shown, "-empty")
        if not self._shown:
            self._sentence.update(Content(printable(self._nothing())))
        head = self._words(order, backwards)
        if head != self._told:
            self._told = head
            self._head.update(head, layout=False)

    def _nothing(self) -> str:
        """Return the sentence that stands in place of an empty list."""
        if self._fault is not None:
            return self._fault
        if self._entries is None:
            return "Looking for runs ..."
        if self._entries:
            return f"None of {len(self._entries)} runs has {self._field.value} in its id, experiment, model or state."
        return (
            f"No runs in {self._folder} yet. Whatever is started comes here: on the launch screen with enter, or by "
            "cifar-tui EXPERIMENT in any terminal that uses the same folder."
        )

    def _words(self, order: Order, backwards: bool) -> Content:
        """Return the line about the whole."""
        there = self._entries or []
        live = sum(state_of(entry) in LIVE for entry in there)
        parts = [f"{len(there):,}" if len(self._shown) == len(there) else f"{len(self._shown):,} of {len(there):,}"]
        parts += [f"{live} live"] if live else []
        parts += [f"{len(self._marks)} marked"] if self._marks else []
        parts.append(f"by {order}{', reversed' if backwards else ''}")
        words = (" - " if self._ascii else " · ").join(parts)
        return Content.assemble(("Runs ", "bold"), words, (f"  {printable(self._folder)}", "dim"))
