"""A screen of panes, one of them the current: keys walk through them, and where there is little room it is alone."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import DescendantFocus
from textual.widget import Widget

from cifar_tui.screens.room import Room


class PanesScreen(Room):
    """Its panes are the widgets with the class ``pane``; the current one, and what it is in, have ``-current``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,right,l", "pane(1)", "next pane", id="launch.next", show=False),
        Binding("shift+tab,left,h", "pane(-1)", "pane before", id="launch.previous", show=False),
    ]
    DEFAULT_CSS = """
    PanesScreen.-tiny {
        .pane, .panes { display: none; }
        .panes.-current { display: block; height: 1fr; }
        .pane.-current { display: block; width: 1fr; }
    }
    """

    @property
    def panes(self) -> list[Widget]:
        """All of them, in order."""
        return list(self.query(".pane"))

    @property
    def current(self) -> Widget:
        """The one that keys act on."""
        return next((pane for pane in self.panes if pane.has_class("-current")), self.panes[0])

    def came_to(self, pane: Widget) -> None:
        """Show what goes with the pane that is the current one now; for subclasses."""

    def enter_pane(self, pane: Widget) -> None:
        """Make a pane the current one, and have keys go to it."""
        self._show(pane)
        target = pane if pane.can_focus else next(each for each in pane.query("*") if each.can_focus)
        self.call_after_refresh(target.focus)  # what is not displayed yet takes no focus

    def action_pane(self, by: int) -> None:
        """Go to another pane."""
        panes = self.panes
        self.enter_pane(panes[(panes.index(self.current) + by) % len(panes)])

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Have the pane with the focus be the current one."""
        inside = [pane for pane in self.panes if pane in event.widget.ancestors_with_self]
        if inside and not inside[0].has_class("-current"):
            self._show(inside[0])

    def _show(self, pane: Widget) -> None:
        for widget in (*self.panes, *self.query(".panes")):
            widget.set_class(widget in pane.ancestors_with_self, "-current")
        self.came_to(pane)
