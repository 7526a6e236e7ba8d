"""The line over a value in which a new one is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.events import Blur
from textual.message import Message
from textual.widgets import Input


class ValueEntry(Input):
    """Hidden until ``begin``; its ``Input.Changed`` come at every key, and ``Input.Submitted`` with enter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave the value as it was", id="edit.leave", show=False),
        Binding("up", "choice(-1)", "the choice before", id="edit.previous", show=False),
        Binding("down", "choice(1)", "the next choice", id="edit.next", show=False),
    ]
    DEFAULT_CSS = """
    ValueEntry, ValueEntry:focus {
        display: none;
        position: absolute;
        layer: above;
        height: 1;
        border: none;
        padding: 0;
        background: $panel;
        text-style: bold;
        &.-open { display: block; }
    }
    """

    class Left(Message):
        """It is hidden again; ``to_list`` says whether keys are to go to the list now."""

        def __init__(self, *, to_list: bool) -> None:
            super().__init__()
            self.to_list = to_list

    def __init__(self) -> None:
        super().__init__(compact=True)
        self.cursor_blink = False  # an idle screen sends nothing
        self._choices: Sequence[str] = ()

    def begin(self, text: str, choices: Sequence[str], at: tuple[int, int], width: int) -> None:
        """Show it with a text at a place in its parent; arrows go through the choices."""
        self._choices = choices
        with self.prevent(Input.Changed):
            self.value = text
        self.styles.offset = at
        self.styles.width = width
        self.add_class("-open")
        self.focus()

    def action_leave(self) -> None:
        """Hide it."""
        self._hide(to_list=True)

    def action_choice(self, by: int) -> None:
        """Take the choice beside the one that is there; the first where there is none of them."""
        if self._choices:
            before = self._choices.index(self.value) if self.value in self._choices else -1 if by > 0 else 0
            self.value = self._choices[(before + by) % len(self._choices)]
            self.action_end()

    @on(Blur)
    def _gone(self) -> None:
        self._hide(to_list=False)

    def _hide(self, *, to_list: bool) -> None:
        if self.has_class("-open"):
            self.remove_class("-open")
            self.post_message(self.Left(to_list=to_list))
