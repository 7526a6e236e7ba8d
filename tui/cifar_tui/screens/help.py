"""The keys of a screen, made from its bindings: what is listed is what works, under the keys it has now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

Row = tuple[str, str]
"""Keys, and what they do."""


class Help(ModalScreen[None]):
    """Lists keys and what they do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "close", id="help.close"),
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, title: str, rows: Sequence[Row]) -> None:
        super().__init__(classes="middle")
        self._title, self._rows = title, rows

    def compose(self) -> ComposeResult:
        """The rows, as many as fit; the rest by scrolling."""
        width = max((len(keys) for keys, _ in self._rows), default=0)
        lines = [Content.assemble((f"{keys:>{width}}", "bold"), f"  {words}") for keys, words in self._rows]
        with VerticalScroll(classes="dialog") as scroll:
            scroll.border_title = self._title
            scroll.border_subtitle = "esc closes"
            yield Static(Content("\n").join(lines))

    def action_scroll_down(self) -> None:
        """As the arrow does."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_scroll_up(self) -> None:
        """As the arrow does."""
        self.query_one(VerticalScroll).scroll_up(animate=False)
