"""A list of presets to choose from: what is highlighted is chosen."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from cifar_core.errors import printable
from cifar_experiments.presets import Kind
from cifar_tui.choices import Choices, Entry
from cifar_tui.widgets.filter import Filter, matches
from cifar_tui.widgets.rows import Rows, cut


class Picker(Vertical):
    """One kind of preset. A filled mark is what is in force, a hollow one what the experiment has by itself.

    Args:
        kind: Of which presets.
        title: What to call them.
        ascii: Whether to do without Unicode.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "show_all", "show all", id="filter.clear", show=False),
    ]
    DEFAULT_CSS = """
    Picker { width: 1fr; height: 1fr; border-subtitle-color: $secondary; }
    """

    class Chosen(Message):
        """The user chose another preset."""

        def __init__(self, picker: Picker, entry: Entry) -> None:
            super().__init__()
            self.picker, self.entry = picker, entry

    def __init__(self, kind: Kind, title: str, *, ascii: bool = False) -> None:  # noqa: A002 - says what it does
        super().__init__(id=kind, classes="pane")
        self.kind = kind
        self.border_title = title
        self._ascii = ascii
        self._choices = Choices((), None)
        self._visible: list[int] = []
        """The indices of the entries that the filter leaves."""

    def compose(self) -> ComposeResult:
        """The list, and below it the filter."""
        yield Rows(self._line)
        yield Filter()

    @property
    def entry(self) -> Entry | None:
        """What is under the cursor."""
        cursor = self.query_one(Rows).cursor
        return None if cursor is None else self._choices.entries[self._visible[cursor]]

    def show(self, choices: Choices) -> None:
        """Show these entries; the cursor only moves where another one is chosen than before."""
        if choices == self._choices:
            return
        same = [each.name for each in choices.entries] == [each.name for each in self._choices.entries]
        stays = same and choices.chosen == self._choices.chosen
        self._choices = choices
        own, self.border_subtitle = choices.own, ""
        if (
            own is not None and own != choices.chosen and not self._ascii
        ):  # Textual cuts titles with a character beyond ASCII
            self.border_subtitle = Content(f"not {printable(choices.entries[own].name)}")
        self._refill(self.query_one(Rows).cursor if stays else None)

    def action_show_all(self) -> None:
        """Filter no longer."""
        self.query_one(Filter).action_clear()

    def filter(self) -> None:
        """Have keys go to the filter."""
        self.query_one(Filter).begin()

    @on(Input.Changed)
    def _filtered(self, event: Input.Changed) -> None:
        event.stop()
        self._refill(None)

    @on(Filter.Left)
    def _left(self) -> None:
        rows = self.query_one(Rows)
        rows.focus()
        if rows.cursor is None:
            rows.action_go(0)

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self.post_message(self.Chosen(self, self._choices.entries[self._visible[event.index]]))

    def _refill(self, cursor: int | None) -> None:
        words, entries = self.query_one(Filter).value, self._choices.entries
        self._visible = [
            index for index, each in enumerate(entries) if matches(words, f"{each.name} {each.description}")
        ]
        if cursor is None and self._choices.chosen in self._visible:
            cursor = self._visible.index(self._choices.chosen)
        sentence = "no preset matches" if entries else self._choices.empty
        self.query_one(Rows).show(len(self._visible), cursor, sentence=sentence)

    def _line(self, at: int, width: int) -> Content:
        index = self._visible[at]
        entry, choices = self._choices.entries[index], self._choices
        filled, hollow = ("*", "o") if self._ascii else ("●", "○")
        mark, style = " ", ""
        if entry.error is not None:
            mark, style = "!", "$text-error"
        elif index == choices.chosen:
            mark, style = filled, "$success" if choices.own in (None, index) else "$secondary"
        elif index == choices.own:
            mark, style = hollow, ".rows--muted"
        name = cut(f"{entry.name} (changed)" if entry.changed else entry.name, width - 2, ascii=self._ascii)
        return Content.assemble((mark, style), " ", (name, "$text-error" if entry.error is not None else ""))
