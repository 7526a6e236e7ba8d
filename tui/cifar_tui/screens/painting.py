"""What a monitor's widgets are given to show, and when: only what has changed, since training threads pay for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cifar_core.events import Evaluated, SystemSampled
from cifar_experiments.history import History
from cifar_tui.cost import Cost
from cifar_tui.ending import ending
from cifar_tui.plots import Sight, accuracy_plot, loss_plot
from cifar_tui.screens.controlled import Controlled
from cifar_tui.widgets.chart import Chart
from cifar_tui.widgets.lines import Lines
from cifar_tui.widgets.machine import blocks, machine_rows, room_for
from cifar_tui.widgets.per_class import class_rows, confused_rows
from cifar_tui.widgets.plot import Plot
from cifar_tui.widgets.progress import Progress, progress_of, rows
from cifar_tui.window import Window

_CONFUSED = 12
_BORDER = 2
_AXIS = 8
"""Cells of a chart that its labels take, or so."""


class Painting:
    """Brings the widgets of a monitor up to date from the history of its run."""

    def __init__(self, screen: Controlled) -> None:
        self.steps = (0, 0)
        """The newest step and the last one to come, as they were drawn."""
        self._screen = screen
        self._watched = screen.watched
        self._cost = Cost()
        self._share: float | None = None
        self._seen: object = None
        """What was drawn last came from this."""
        self._anew = True
        """Whether all is to be drawn, and not only what has changed."""
        self._progress: Progress | None = None
        self._evaluated: Evaluated | None = None
        self._sampled: SystemSampled | None = None
        self._machine_height: int | str = "1fr"

    @property
    def _plain(self) -> bool:
        return self._screen.cifar.ascii

    def forget(self) -> None:
        """Draw anew next time, for another reason than an event."""
        self._anew = True

    def paint(self, visible: Sequence[str], window: Window) -> None:
        """Draw what the run has come to since it was drawn last."""
        status, ended = self._watched.status, self._watched.ended
        with self._watched.record.reading() as history:
            pending = self._screen.pending(history)
            seen = history.version, status, ended, self._watched.error, pending
            if seen == self._seen and not self._anew:
                return
            self._seen = seen
            # Of a run that waits nothing is to move on the screen, though samples of the machine go on.
            if not history.paused:
                self._share = self._cost.share()
            if not history.paused or self._anew:
                self._show_machine(history, fills="log" not in visible)
            name = history.started.experiment if history.started else self._watched.run.id
            progress = progress_of(history, name, pending or status, None if ended else self._share)
            progress = replace(progress, error=self._error(history), notes=self._notes(history, status))
            plots = self._plots(history, visible, window)
            self._show_classes(history)
        anew, self._anew = self._anew, False
        for chart, plot in plots:
            chart.show(plot)
        self._show_progress(progress, anew=anew)
        self._entitle(window)

    def _plots(self, history: History, visible: Sequence[str], window: Window) -> list[tuple[Chart, Plot]]:
        layout, total = self._screen.cifar.layout, history.started.total_steps if history.started else 0
        self.steps = history.step, total
        first, last = window.steps(history.step, total)
        plots = []
        for name, plotted in (("loss", loss_plot), ("accuracy", accuracy_plot)):
            if name in visible:
                chart = self._screen.query_one(f"#{name}", Chart)
                columns = 2 * max(chart.size.width - _AXIS, 1)
                sight = Sight(first, last, columns, layout.smoothing, layout.log and name == "loss")
                plots.append((chart, plotted(history, sight)))
        return plots

    def _error(self, history: History) -> str | None:
        return self._watched.error or (history.finished.error if history.finished else None)

    def _notes(self, history: History, status: str) -> tuple[str, ...]:
        warned = (f"warning: {history.warnings[-1].message}",) if history.warnings else ()
        if self._watched.ended:
            return *ending(history, self._watched.run), *warned
        current = self._screen.cifar.trainings.current
        if status == "waiting" and current is not None:
            return (f"waits until {current.run.id} has ended",)
        return warned

    def _show_progress(self, progress: Progress, *, anew: bool) -> None:
        if self._watched.ended:
            progress = replace(progress, share=None)
        if progress == self._progress and not anew:
            return
        self._progress = progress
        lines, plain = self._screen.query_one("#progress", Lines), self._plain
        most = max(self._screen.size.height // 3, 3)
        lines.show(lambda width, _height: rows(progress, width, most, plain=plain))
        height = max(len(rows(progress, self._screen.size.width, most, plain=plain)), 1)
        if lines.styles.height is None or lines.styles.height.value != height:
            lines.styles.height = height

    def _show_classes(self, history: History) -> None:
        evaluated, plain = history.evaluation, self._plain
        if evaluated is self._evaluated and not self._anew:
            return
        self._evaluated = evaluated
        classes, confused = history.per_class(), history.most_confused(_CONFUSED)
        self._screen.query_one("#class-rows", Lines).show(
            lambda width, height: class_rows(classes, width, height, plain=plain)
        )
        self._screen.query_one("#confused", Lines).show(
            lambda width, height: confused_rows(confused, width, height, plain=plain)
        )

    def _show_machine(self, history: History, *, fills: bool) -> None:
        if history.system is self._sampled and not self._anew:
            return
        self._sampled, plain = history.system, self._plain
        found = blocks(history)
        height = "1fr" if fills else room_for(found) + _BORDER
        pane = self._screen.query_one("#machine", Lines)
        if height != self._machine_height:
            self._machine_height = height
            pane.styles.height = height
        pane.show(lambda width, height: machine_rows(found, width, height, plain=plain))

    def _entitle(self, window: Window) -> None:
        """Say in the borders what is shown there, and how."""
        layout, evaluated = self._screen.cifar.layout, self._evaluated
        smoothing = f"smoothing {layout.smoothing:g}".replace(" 0.", " .") if layout.smoothing else ""
        log = "log" if layout.log else ""
        titles = {
            "loss": ("Loss", smoothing, log, window.words),
            "accuracy": ("Accuracy %", smoothing, window.words),
            "classes": ("Classes", f"{evaluated.split}, step {evaluated.step:,}" if evaluated else ""),
        }
        for name, parts in titles.items():
            title = (" - " if self._plain else " · ").join(part for part in parts if part)
            pane = self._screen.query_one(f"#{name}")
            if pane.border_title != title:
                pane.border_title = title
