"""What all screens have in common: a footer of keys, a sentence where a terminal is too small, and questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Footer, Static

from cifar_core.errors import printable
from cifar_tui.screens.dialogs import Choice, Option, TextEntry

if TYPE_CHECKING:
    from cifar_tui.app import CifarApp

SMALLEST = (40, 12)
"""Columns and rows below which a screen is a sentence."""


class Room(Screen[None]):
    """One screen of the app; subclasses yield their content from ``contents``.

    Its CSS classes say how much room there is: ``-small`` below 40 columns or 12 rows, where only a sentence is
    shown, ``-narrow`` below 100 columns, ``-short`` below 30 rows, ``-tiny`` below 60 columns or 20 rows.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", id="back"),
        Binding("question_mark,f1", "app.help", "help", id="help"),
    ]

    @property
    def cifar(self) -> CifarApp:
        """The app, with what screens share."""
        return cast("CifarApp", self.app)

    def compose(self) -> ComposeResult:
        """Put the content above the keys."""
        yield Static("", id="too-small")
        yield from self.contents()
        yield Footer(show_command_palette=False, compact=True)

    def contents(self) -> ComposeResult:
        """Yield the screen's own widgets."""
        yield from ()

    def on_resize(self) -> None:
        """Say by classes how much room there is."""
        columns, rows = self.app.size
        too_small = columns < SMALLEST[0] or rows < SMALLEST[1]
        self.set_class(too_small, "-small")
        self.set_class(columns < 100, "-narrow")
        self.set_class(rows < 30, "-short")
        self.set_class(columns < 60 or rows < 20, "-tiny")
        if too_small:
            words = f"cifar-tui needs {SMALLEST[0]} x {SMALLEST[1]}, this is {columns} x {rows}; q quits."
            self.query_one("#too-small", Static).update(words)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no way back from the first screen."""
        if action == "leave":
            return self is not self.app.screen_stack[0]
        return super().check_action(action, parameters)

    def _screen_resized(self, size: Size) -> None:
        # Textual tells a screen of each change of its layout by another resize. Two that cross would follow each other
        # for ever, and nothing else would be done any more: only that to the terminal's size now counts.
        if size == self.app.size:
            super()._screen_resized(size)

    def action_leave(self) -> None:
        """Go one screen back."""
        self.app.pop_screen()

    def tell(self, sentence: object, *, wrong: bool = False) -> None:
        """Show a sentence for a while; foreign text in it is made harmless."""
        self.notify(printable(sentence), severity="error" if wrong else "information", markup=False, timeout=6)

    async def choose(self, question: str, options: Sequence[Option]) -> str | None:
        """Ask below the screen, which stays visible; return the chosen option's key, None if none was."""
        return await self.app.push_screen_wait(Choice(question, options))

    async def enter(self, question: str, text: str, fault: Callable[[str], str | None]) -> str | None:
        """Ask for a text below the screen; ``fault`` says at every key what is wrong with it; None if it was left."""
        return await self.app.push_screen_wait(TextEntry(question, text, fault))
