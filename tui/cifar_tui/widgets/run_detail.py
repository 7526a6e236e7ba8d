"""What a list of runs says of the highlighted one, in a few lines."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from cifar_core.errors import printable
from cifar_experiments.runs.roster import Entry
from cifar_tui.run_words import known

_SHOWN = ("error", "next", "folder", "experiment", "parent", "process", "accuracy", "time")
"""The important ones first: where there is little room, the others are left out."""


class RunDetail(Static):
    """Names and values of one run; its title is the run's id."""

    DEFAULT_CSS = """
    RunDetail { height: 7; text-overflow: fold; }
    """

    def __init__(self) -> None:
        super().__init__("", classes="pane")
        self._told: Content | None = None

    def show(self, entry: Entry | None) -> None:
        """Tell of a run; of nothing where there is none."""
        told = _told(entry)
        self.border_title = None if entry is None else Content(printable(entry.run.id))
        if self._told is None or told != self._told:
            self._told = told
            self.update(told, layout=False)


def _told(entry: Entry | None) -> Content:
    if entry is None:
        return Content("")
    if entry.summary is None:
        rows = {"error": entry.error or "", "folder": str(entry.run.path)}
    else:
        rows = dict(known(entry.run, entry.summary))
    lines = [
        Content.assemble((f"{name:10} ", "dim"), (printable(rows[name]), "$error" if name == "error" else ""))
        for name in _SHOWN
        if rows.get(name)
    ]
    return Content("\n").join(lines)
