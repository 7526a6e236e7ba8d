"""A run as it goes on: its curves, its classes, the machine and the log, and the keys that steer it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from cifar_tui.screens.controlled import Controlled
from cifar_tui.screens.painting import Painting
from cifar_tui.watched import Watched
from cifar_tui.widgets.chart import Chart
from cifar_tui.widgets.lines import Lines
from cifar_tui.widgets.log_tail import LogTail
from cifar_tui.window import Window

REDRAW_SECONDS = 0.5
"""Seldom: of what a thread needs that trains small batches, every redraw takes its part."""

PANES = ("loss", "accuracy", "classes", "machine", "log")
SMOOTHINGS = (0.0, 0.6, 0.9, 0.99)


class MonitorScreen(Controlled):
    """Shows one run until it is left; what it shows is what the run's events say."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", id="monitor.pause", tooltip="or resume"),
        Binding("x", "stop", "stop", id="monitor.stop"),
        Binding("c", "checkpoint", "save", id="monitor.checkpoint"),
        Binding("e", "learning_rate", "lr", id="monitor.lr"),
        Binding("f", "full", "full", id="monitor.full"),
        Binding("y", "full('log')", "log", id="monitor.log"),
        Binding("s", "smooth", "smooth", id="monitor.smooth", show=False),
        Binding("l", "log_scale", "log scale", id="monitor.log_scale", show=False),
        Binding("w", "recent", "recent or whole", id="monitor.recent", show=False),
        Binding("plus,equals_sign", "zoom(0.5)", "zoom in", id="monitor.zoom_in", show=False),
        Binding("minus", "zoom(2)", "zoom out", id="monitor.zoom_out", show=False),
        Binding("left,comma", "pan(-0.25)", "earlier steps", id="monitor.earlier", show=False),
        Binding("right,full_stop", "pan(0.25)", "later steps", id="monitor.later", show=False),
        Binding("j", "move(1)", "row down", id="list.down", show=False),
        Binding("k", "move(-1)", "row up", id="list.up", show=False),
        Binding("tab", "walk(1)", "next pane", id="monitor.next", show=False),
        Binding("shift+tab", "walk(-1)", "pane before", id="monitor.before", show=False),
        *(
            Binding(str(place), f"turn('{pane}')", f"show or hide {pane}", id=f"monitor.{pane}_pane", show=False)
            for place, pane in enumerate(PANES, 1)
        ),
        Binding("0", "reset", "all panes, all steps", id="monitor.reset", show=False),
        Binding("d", "detach", "detach", id="monitor.detach"),
    ]
    DEFAULT_CSS = """
    MonitorScreen {
        #progress { height: 2; }
        #charts { height: 1fr; }
        #below { height: 17; }
        &.-short #below { height: 50%; max-height: 10; }
        &.-filled #below { height: 1fr; max-height: 100%; }
        &.-narrow #charts { layout: vertical; }
        &.-narrow.-short #charts { layout: horizontal; }
        #classes, #side { width: 1fr; height: 1fr; }
        #confused { height: 4; margin-top: 1; }
        #machine { max-height: 70%; }
        &.-filled #machine, &.-short #machine { max-height: 100%; }
        &.-short #confused { height: 1; margin-top: 0; }
        &.-tiny .pane { border: none; border-top: solid $primary 40%; padding: 0; }
        &.-tiny.-ascii .pane { border-top: ascii $primary 40%; }
    }
    """

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self._window = Window()
        self._current = self._full = ""
        self._wanted_log = False
        """Whether the log was asked for where there is little room."""
        self._visible: list[str] = []
        self._steered = True
        """Whether the footer has the keys that steer a training."""
        self._painting = Painting(self)

    def contents(self) -> ComposeResult:
        """Lines about the run, its charts, and below them what is looked at less often."""
        plain = self.cifar.ascii
        yield Lines(id="progress", focusable=False)
        with Horizontal(id="charts"):
            yield Chart(ascii=plain, id="loss", classes="pane")
            yield Chart(ascii=plain, id="accuracy", classes="pane")
        with Horizontal(id="below"):
            with Vertical(id="classes", classes="pane"):
                yield Lines(id="class-rows")
                yield Lines(id="confused", focusable=False)
            with Vertical(id="side"):
                yield Lines(id="machine", classes="pane")
                yield LogTail(self.watched.run.log, ascii=plain, id="log", classes="pane")

    def on_mount(self) -> None:
        """Begin to look, as often as is good for the training."""
        self._window = Window(recent=self.cifar.layout.recent)
        self.query_one("#machine").border_title = "Machine"
        self.query_one("#log").border_title = "Log"
        self.set_interval(REDRAW_SECONDS, self._redraw)
        self.set_interval(2 * REDRAW_SECONDS, self._look)

    def on_unmount(self) -> None:
        """Let go of the run."""
        self.watched.leave()

    def on_resize(self) -> None:
        """Arrange the panes for the room that there is."""
        super().on_resize()
        self._arrange()

    def on_screen_resume(self) -> None:
        """Show at once what happened meanwhile."""
        self.asked()

    def asked(self) -> None:
        """Draw anew, for another reason than an event."""
        self._painting.forget()
        self.call_after_refresh(self._redraw)

    @property
    def _in_sight(self) -> bool:
        return self.app.screen is self or isinstance(self.app.screen, ModalScreen)

    def _look(self) -> None:
        if self._in_sight and "log" in self._visible and not self.cifar.behind:
            self.query_one("#log", LogTail).look()

    def _redraw(self) -> None:
        """Draw what has changed, unless nobody would see it."""
        if self._steered == self.watched.ended:
            self._steered = not self.watched.ended
            self.refresh_bindings()
        if self._in_sight and not self.cifar.behind:
            self._painting.paint(self._visible, self._window)

    def _arrange(self) -> None:
        """Show the panes that there is room for, and of those the ones that are wanted."""
        hidden = self.cifar.layout.hidden
        wanted = [pane for pane in PANES if pane not in hidden]
        if self._full:
            self._visible = [self._full]
        elif self.has_class("-tiny"):
            self._visible = [self._current if self._current in wanted else wanted[0]] if wanted else []
        else:
            room_for_log = self._wanted_log or not self.has_class("-short") or "machine" in hidden
            self._visible = [pane for pane in wanted if pane != "log" or room_for_log]
        for pane in PANES:
            self.query_one(f"#{pane}").display = pane in self._visible
        above, side = {"loss", "accuracy"} & {*self._visible}, {"machine", "log"} & {*self._visible}
        # What is set here outweighs the rule that hides all but a sentence.
        room = not self.has_class("-small")
        self.query_one("#charts").display = room and bool(above)
        self.query_one("#side").display = room and bool(side)
        self.query_one("#below").display = room and (bool(side) or "classes" in self._visible)
        self.set_class(not above, "-filled")
        self.asked()

    def action_turn(self, pane: str) -> None:
        """Show a pane or hide it; where one fills the screen, show this one instead."""
        hidden = self.cifar.layout.hidden
        if self.has_class("-tiny") or self._full:
            hidden.discard(pane)
            self._full = self._full and pane
            self._current = pane
        elif pane in self._visible:
            hidden.add(pane)
            self._wanted_log = self._wanted_log and pane != "log"
        else:
            hidden.discard(pane)
            self._wanted_log = self._wanted_log or pane == "log"
        self._arrange()

    def action_full(self, pane: str = "") -> None:
        """Let a pane, else the one with the focus, fill the screen; or show all again."""
        pane = pane or self._focused_pane()
        self._full = "" if self._full == pane or not pane else pane
        self._arrange()
        self._focus(self._full or pane)

    def action_leave(self) -> None:
        """Show all panes again where one fills the screen; else go back."""
        if self._full:
            self.action_full(self._full)
        else:
            super().action_leave()

    def action_walk(self, by: int) -> None:
        """Go to the next pane, which is then shown if only one is."""
        panes = self._visible
        if self.has_class("-tiny") or self._full:
            panes = [pane for pane in PANES if pane not in self.cifar.layout.hidden]
        if not panes:
            return
        now = self._visible[0] if len(self._visible) == 1 else self._focused_pane()
        pane = panes[(panes.index(now) + by) % len(panes)] if now in panes else panes[0]
        self._full = self._full and pane
        self._current = pane
        self._arrange()
        self._focus(pane)

    def _focused_pane(self) -> str:
        """Return the pane with the focus; the first one where none has it."""
        node = self.focused
        ids = [] if node is None else [each.id for each in node.ancestors_with_self]
        return next((pane for pane in self._visible if pane in ids), self._visible[0] if self._visible else "")

    def _focus(self, pane: str) -> None:
        if pane in self._visible:
            self.query_one("#class-rows" if pane == "classes" else f"#{pane}").focus(scroll_visible=False)

    def action_move(self, rows: int) -> None:
        """Scroll the pane with the focus."""
        if isinstance(self.focused, Lines):
            self.focused.scroll_relative(y=rows, animate=False)

    def action_smooth(self) -> None:
        """Smooth the curves more, or after most not at all."""
        layout = self.cifar.layout
        layout.smoothing = next((factor for factor in SMOOTHINGS if factor > layout.smoothing), SMOOTHINGS[0])
        self.asked()

    def action_log_scale(self) -> None:
        """Show the loss by its logarithm, or as it is."""
        self.cifar.layout.log = not self.cifar.layout.log
        self.asked()

    def action_recent(self) -> None:
        """Show the newest steps, or all."""
        self.cifar.layout.recent = not self.cifar.layout.recent
        self._look_at(Window(recent=self.cifar.layout.recent))

    def action_zoom(self, factor: float) -> None:
        """Show fewer steps or more."""
        self._look_at(self._window.zoomed(factor, *self._painting.steps))

    def action_pan(self, share: float) -> None:
        """Show earlier steps or later ones."""
        self._look_at(self._window.panned(share, *self._painting.steps))

    def action_reset(self) -> None:
        """Show all panes and all steps."""
        self.cifar.layout.hidden.clear()
        self.cifar.layout.recent = False
        self._full = self._current = ""
        self._wanted_log = False
        self._window = Window()
        self._arrange()

    def _look_at(self, window: Window) -> None:
        self._window = window
        self.asked()
