"""Questions at the foot of a screen, which stays visible and alive above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cifar_core.errors import printable


class Option(NamedTuple):
    """One answer to a question."""

    key: str
    """The character to press for it."""
    words: str


class Choice(ModalScreen[str | None]):
    """Asks a question with a few answers, each a key; returns the chosen key, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel", id="dialog.cancel")]

    def __init__(self, question: str, options: Sequence[Option]) -> None:
        super().__init__(classes="foot")
        self._question, self._options = question, options

    def compose(self) -> ComposeResult:
        """The question and its answers, one below the other."""
        lines = [Content(printable(self._question)).stylize("bold")]
        for key, words in (*self._options, Option("esc", "cancel")):
            lines.append(Content.assemble((f" {key} ", "reverse"), f" {printable(words)}"))
        with Vertical(classes="dialog"):
            yield Static(Content("\n").join(lines), id="question")

    def on_key(self, event: Key) -> None:
        """Take the key of an answer; no other key does anything."""
        if any(event.character == option.key for option in self._options):
            event.stop()  # any other goes on to the bindings: escape
            self.dismiss(event.character)


class TextEntry(ModalScreen[str | None]):
    """Asks for one line of text; returns it once it is right and Enter was pressed, None for escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel", id="dialog.cancel")]

    def __init__(self, question: str, text: str, fault: Callable[[str], str | None]) -> None:
        super().__init__(classes="foot")
        self._question, self._text, self._fault = question, text, fault

    def compose(self) -> ComposeResult:
        """The question, the line, and what is wrong with it."""
        with Vertical(classes="dialog"):
            yield Static(Content(printable(self._question)).stylize("bold"), id="question")
            field = Input(self._text, id="entry", compact=True)
            field.cursor_blink = False  # an idle screen sends nothing
            yield field
            yield Static("", id="fault")

    def on_mount(self) -> None:
        """Judge the text that it begins with."""
        self._judge(self._text)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._judge(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if self._judge(event.value) is None:
            self.dismiss(event.value)

    def _judge(self, text: str) -> str | None:
        fault = self._fault(text)
        self.query_one("#fault", Static).update(Content(printable(fault or "enter takes it · esc cancels")))
        self.set_class(fault is not None, "-wrong")
        return fault
