"""Several runs side by side: their curves in one chart, and what differs between them in tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import DescendantFocus
from textual.widgets import Static

from cifar_core.errors import printable
from cifar_experiments import comparing
from cifar_experiments.comparing import Compared
from cifar_experiments.runs import Run
from cifar_tui import comparison, comparison_plot
from cifar_tui.comparison import Group
from cifar_tui.comparison_plot import MEASURES, Measure, Wish
from cifar_tui.screens.monitor import SMOOTHINGS
from cifar_tui.screens.reading import Reading
from cifar_tui.screens.room import Room
from cifar_tui.widgets import comparison_sheets as sheets
from cifar_tui.widgets.chart import Chart
from cifar_tui.widgets.sheet import Sheet

_SHEETS = {
    "runs": "Nothing was read yet.",
    "classes": "No run was evaluated on images of known classes.",
    "differences": "All of these runs have the same configuration.",
}
"""What stands in place of an empty table, in the order that a grid places them."""
_TITLES = {"runs": "Runs", "differences": "Configuration", "classes": "Classes"}
_PANES = ("chart", *_TITLES)
_BESIDE_NAME = 6
"""Cells that a name in the legend takes besides its own."""


class CompareScreen(Room):
    """Shows runs as they were when they were read: one that is still trained does not grow here.

    Args:
        runs: At most ``comparison.MOST_COMPARED``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "measure", "curves", id="compare.measure"),
        Binding("g", "group", "seeds", id="compare.group"),
        Binding("l", "log", "log scale", id="compare.log_scale"),
        Binding("s", "smooth", "smooth", id="compare.smooth", show=False),
        Binding("tab", "pane(1)", "panes", id="compare.next"),
        Binding("shift+tab", "pane(-1)", "previous pane", id="compare.previous", show=False),
        Binding("f", "full", "full", id="compare.full"),
        Binding("r", "again", "reread", id="compare.again"),
        Binding("j", "scroll(1)", "scroll down", id="list.down", show=False),
        Binding("k", "scroll(-1)", "scroll up", id="list.up", show=False),
    ]

    DEFAULT_CSS = """
    CompareScreen {
        #head { height: 1; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
        #faults { display: none; height: auto; max-height: 3; padding: 0 1; color: $error; }
        &.-faults #faults { display: block; }
        Chart { height: 1fr; }
        #tables { height: 1fr; layout: grid; grid-size: 2 2; grid-columns: 5fr 4fr; }
        #classes { row-span: 2; }
        &.-narrow, &.-short {
            Chart { height: 5fr; }
            #tables { height: 4fr; layout: vertical; }
            Sheet { display: none; }
            Sheet.-open { display: block; }
        }
        &.-full, &.-tiny {
            #tables { layout: vertical; }
            Sheet { display: none; }
            Sheet.-open { display: block; }
            &.-chart #tables { display: none; }
            &.-table Chart { display: none; }
        }
    }
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__()
        self._reading = Reading(self, runs)
        self._compared: list[Compared] = []
        self._groups: list[Group] = []
        self._wish = Wish()
        self._read_at = ""
        self._table = "runs"
        """The one that is in sight where there is room for one."""

    def contents(self) -> ComposeResult:
        """The chart above the tables."""
        plain = self.cifar.ascii
        self._chart = Chart(ascii=plain, classes="pane", id="chart")
        self._sheets = {name: Sheet(words, ascii=plain, id=name) for name, words in _SHEETS.items()}
        yield Static("", id="head")
        yield Static("", id="faults")
        yield self._chart
        yield Container(*self._sheets.values(), id="tables")

    def on_mount(self) -> None:
        """Begin to read."""
        self._wish = Wish(smoothing=self.cifar.layout.smoothing)
        self._open("chart")
        self._chart.focus()
        self.action_again()

    def on_unmount(self) -> None:
        """Have no more read."""
        self._reading.leave()

    def action_again(self) -> None:
        """Read all runs, as they are now."""
        self._reading.begin()
        self._tell_head()

    @on(Reading.Came)
    def _came(self, message: Reading.Came) -> None:
        if self._reading.takes(message) and self._reading.done:
            self._read_at = time.strftime("%H:%M:%S")
            self._take_in()
        self._tell_head()

    def _take_in(self) -> None:
        self._compared, faults = self._reading.outcome
        self._groups = comparing.groups(self._compared)
        self.set_class(bool(faults), "-faults")
        self.query_one("#faults", Static).update(Content(printable("   ".join(faults))))
        names = comparison.labels(self._compared, self._groups)
        plain = self.cifar.ascii
        self._sheets["runs"].show(*sheets.runs(self._compared, self._groups, names, plain=plain))
        self._sheets["differences"].show(*sheets.differences(self._compared, names, plain=plain))
        self._sheets["classes"].show(*sheets.classes(self._compared, names, plain=plain))
        self._draw()

    def on_resize(self) -> None:
        """Draw the curves as fine as there is room for."""
        super().on_resize()
        self._tell_titles()
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if not self._compared:
            return
        wish, size = self._wish, self._chart.size
        if wish.grouped:
            names = comparison.group_labels(self._compared, self._groups)
        else:
            names = comparison.labels(self._compared, self._groups)
            if sum(len(name) + _BESIDE_NAME for name in names) > size.width * max(size.height // 6, 1):
                names = [str(number) for number in range(1, len(names) + 1)]  # as in the table of runs
        plot = comparison_plot.plot(self._compared, self._groups, names, wish, max(size.width, 20))
        smoothing = f"smoothing {wish.smoothing:g}".replace(" 0.", " .") if wish.smoothing else ""
        parts = [plot.title, smoothing if wish.measure.startswith("training") else ""]
        parts += ["log" if wish.log else "", comparison.mean_over(self._compared, self._groups) if wish.grouped else ""]
        title = (" - " if self.cifar.ascii else " · ").join(part for part in parts if part)
        self._chart.border_title = title[0].upper() + title[1:]
        self._chart.show(replace(plot, title=""))

    def _tell_head(self) -> None:
        words = f"as of {self._read_at}" if self._reading.done else self._reading.words
        count = f"Compare {self._reading.count} runs "
        self.query_one("#head", Static).update(Content.assemble((count, "bold"), f" {words}"), layout=False)

    def _change(self, wish: Wish) -> None:
        self._wish = wish
        self._draw()

    def action_measure(self) -> None:
        """Show the next kind of curves."""
        following: Measure = MEASURES[(MEASURES.index(self._wish.measure) + 1) % len(MEASURES)]
        self._change(replace(self._wish, measure=following))

    def action_group(self) -> None:
        """Show the mean of each group of seeds or folds with its spread, or each run by itself again."""
        if not self._wish.grouped and all(len(group) < 2 for group in self._groups):
            self.tell("No two of these runs differ in nothing but their seed or fold.", wrong=True)
            return
        self._change(replace(self._wish, grouped=not self._wish.grouped))

    def action_log(self) -> None:
        """Make the scale logarithmic, or even again."""
        self._change(replace(self._wish, log=not self._wish.log))

    def action_smooth(self) -> None:
        """Smooth training curves more, after the most not at all."""
        layout = self.cifar.layout
        layout.smoothing = next((factor for factor in SMOOTHINGS if factor > layout.smoothing), SMOOTHINGS[0])
        self._change(replace(self._wish, smoothing=layout.smoothing))

    def action_pane(self, places: int) -> None:
        """Go to the next pane, which is opened where only one table has room."""
        place = next((place for place, pane in enumerate(_PANES) if self.query_one(f"#{pane}").has_focus), 0)
        pane = _PANES[(place + places) % len(_PANES)]
        self._open(pane)
        self.query_one(f"#{pane}").focus()

    def action_full(self) -> None:
        """Give all the room to the pane that has the focus, or share it again."""
        self.toggle_class("-full")
        self.call_after_refresh(self._draw)

    def action_leave(self) -> None:
        """Share the room again; else go back."""
        if self.has_class("-full"):
            self.action_full()
        else:
            super().action_leave()

    def action_scroll(self, rows: int) -> None:
        """Scroll the table in sight."""
        self._sheets[self._table].scroll_relative(y=rows, animate=False)

    @on(DescendantFocus)
    def _focused(self, event: DescendantFocus) -> None:
        if event.widget.id in _PANES:
            self._open(event.widget.id)

    def _open(self, pane: str) -> None:
        """Have a pane be the one that is in sight where there is room for few."""
        self.set_class(pane == "chart", "-chart")
        self.set_class(pane != "chart", "-table")
        if pane != "chart":
            self._table = pane
        for name, sheet in self._sheets.items():
            sheet.set_class(name == self._table, "-open")
        self._tell_titles()
        self.call_after_refresh(self._draw)

    def _tell_titles(self) -> None:
        """Name each pane; where one table hides the others, name them all, that one clearest."""
        alone = any(self.has_class(each) for each in ("-narrow", "-short", "-tiny", "-full"))
        for name, title in _TITLES.items():
            others = [Content.styled(each, "bold" if key == name else "dim") for key, each in _TITLES.items()]
            between = Content(" | " if self.cifar.ascii else " │ ")
            self._sheets[name].border_title = between.join(others) if alone else Content(title)
