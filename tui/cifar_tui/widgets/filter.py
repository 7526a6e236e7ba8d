"""The line at the foot of a list that is typed into to see less of it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


def matches(words: str, text: str) -> bool:
    """Whether each of the words is somewhere in the text, in capitals or not."""
    return all(word in text.casefold() for word in words.casefold().split())


class Filter(Input):
    """Hidden until ``begin``; its ``Input.Changed`` come at every key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "show all", id="filter.clear", show=False),
        Binding("enter,down,tab", "leave", "to what is left", id="filter.leave", show=False),
    ]
    DEFAULT_CSS = """
    Filter, Filter:focus {
        display: none;
        height: 1;
        border: none;
        padding: 0;
        background: $panel;
        &.-open { display: block; }
    }
    """

    class Left(Message):
        """The user is done with typing."""

    def __init__(self) -> None:
        super().__init__(compact=True, select_on_focus=False, placeholder="filter: type, enter, esc")
        self.cursor_blink = False  # an idle screen sends nothing

    def begin(self) -> None:
        """Show it, and have keys go to it."""
        self.add_class("-open")
        self.focus()

    def action_clear(self) -> None:
        """Filter no longer."""
        self.value = ""
        self.remove_class("-open")
        self.post_message(self.Left())

    def action_leave(self) -> None:
        """Have keys go to the list; what was typed goes on filtering."""
        self.set_class(bool(self.value), "-open")
        self.post_message(self.Left())
