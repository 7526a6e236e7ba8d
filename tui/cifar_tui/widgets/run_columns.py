"""A run as one row of text: which columns there are, how wide they are, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from cifar_core.errors import printable
from cifar_experiments.runs.roster import Entry
from cifar_experiments.runs.summary import Summary
from cifar_tui.run_words import ago, duration, leading, seconds_spent
from cifar_tui.widgets.rows import cut
from cifar_tui.widgets.shapes import Piece, Row
from cifar_tui.widgets.sparkline import sparkline

Key = Literal["", "muted", "live", "paused", "good", "bad", "trend", "mark", "head"]
KEYS: tuple[Key, ...] = ("muted", "live", "paused", "good", "bad", "trend", "mark", "head")

_SYMBOLS: dict[str, tuple[str, str, Key]] = {
    "running": ("●", "*", "live"),
    "paused": ("‖", "=", "paused"),
    "completed": ("✓", "+", "good"),
    "stopped": ("■", "-", ""),
    "created": ("○", "o", "muted"),
    "crashed": ("✗", "!", "bad"),
    "failed": ("✗", "!", "bad"),
    "diverged": ("✗", "!", "bad"),
    "damaged": ("✗", "!", "bad"),
}

_GUTTER = 4
_LEAST_NAME = 16
_LEAST_NAME_IF_NARROW = 8
_NARROW = 60
_MOST_NAME = 44
_TREND = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the texts of a row depend on besides its run."""

    now: float
    """Seconds since 1970."""
    ascii: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column but that of the names, which takes the room that the others leave."""

    title: str
    width: int
    right: bool
    text: Callable[[Summary, Shown], str]
    key: Key


def state_of(entry: Entry) -> str:
    """Return the state of a run in one word; "damaged" where its summary cannot be read."""
    return "damaged" if entry.summary is None else entry.summary.state


def name_of(entry: Entry) -> str:
    """Return what a run is known by: its experiment, else the folder's name."""
    return entry.run.id if entry.summary is None else entry.summary.experiment


def _accuracy(summary: Summary, _: Shown) -> str:
    known = leading(summary)
    return "" if known is None else f"{100 * known[0]:.2f} {known[1]:4}"


def _state(summary: Summary, shown: Shown) -> str:
    return state_words(summary.state, ascii=shown.ascii)[0]


def state_words(state: str, *, ascii: bool) -> Piece:  # noqa: A002 - says what it does
    """Return a state with its symbol, and the key of its colour."""
    symbol, plain, key = _SYMBOLS.get(state, ("?", "?", ""))
    return f"{plain if ascii else symbol} {state}", key


_STATE = Column("  state", 11, False, _state, "")
_ACCURACY = Column("acc. %     ", 10, True, _accuracy, "")
_TRENDS = Column(
    "trend", _TREND, False, lambda summary, shown: sparkline(summary.accuracies, _TREND, ascii=shown.ascii), "trend"
)
_EPOCHS = Column("epochs", 9, True, lambda summary, _: f"{summary.epochs}/{summary.total_epochs}", "")
_STEPS = Column("steps", 10, True, lambda summary, _: f"{summary.steps:,}", "")
_TIME = Column("time", 7, True, lambda summary, _: duration(seconds_spent(summary)), "")
_WHEN = Column("started", 11, False, lambda summary, shown: ago(summary.started, shown.now), "muted")
_MODEL = Column("model", 22, False, lambda summary, _: summary.model, "muted")

_IN_ORDER = (_STATE, _ACCURACY, _TRENDS, _EPOCHS, _STEPS, _TIME, _WHEN, _MODEL)
_BY_IMPORTANCE = (_STATE, _ACCURACY, _WHEN, _EPOCHS, _TRENDS, _TIME, _STEPS, _MODEL)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a width has room for."""

    name: int
    """Cells of the column of names."""
    others: tuple[Column, ...]
    width: int

    @classmethod
    def fitting(cls, width: int) -> Columns:
        """Return as many columns as ``width`` has room for beside a name, the important ones first."""
        room = width - _GUTTER - (_LEAST_NAME_IF_NARROW if width < _NARROW else _LEAST_NAME)
        chosen: list[Column] = []
        for column in _BY_IMPORTANCE:
            room -= column.width + 2
            if room < 0:
                break
            chosen.append(column)
        used = sum(column.width + 2 for column in chosen)
        name = min(max(width - _GUTTER - used, 1), _MOST_NAME)
        return cls(name, tuple(column for column in _IN_ORDER if column in chosen), width)

    def head(self) -> Row:
        """Return the titles of the columns."""
        text = " " * _GUTTER + cut("run", self.name)
        return [(text + "".join("  " + _placed(each.title, each) for each in self.others), "head")]

    def row(self, entry: Entry, shown: Shown, *, marked: bool, here: bool) -> Row:
        """Return the texts of a run; ``here`` is the one that keys act on."""
        cursor, mark = (">", "*") if shown.ascii else ("▸", "◆")
        pieces: Row = [(cursor if here else " ", ""), (f" {mark if marked else ' '} ", "mark")]
        pieces += self._name(entry, shown)
        if entry.summary is None:
            text, key = state_words("damaged", ascii=shown.ascii)
            room = max(self.width - _GUTTER - self.name, 0)
            return [*pieces, (cut(f"  {text}: {entry.error}", room, ascii=shown.ascii), key)]
        for column in self.others:
            key = _SYMBOLS.get(entry.summary.state, ("", "", ""))[2] if column is _STATE else column.key
            pieces.append(("  " + _placed(column.text(entry.summary, shown), column, shown.ascii), key))
        return pieces

    def _name(self, entry: Entry, shown: Shown) -> Row:
        """Return the name, and the end of the id where there is room: it tells runs of one experiment apart."""
        name = printable(name_of(entry))
        ending = re.search(r"-([0-9a-f]{4})$", entry.run.id)
        tail = f" {ending[1]}" if ending and entry.summary is not None and self.name >= 12 else ""
        room = self.name - len(tail)
        name = cut(name, min(room, cell_len(name)), ascii=shown.ascii)
        return [(name, ""), (cut(tail, self.name - cell_len(name)), "muted")]


def _placed(text: str, column: Column, ascii: bool = False) -> str:  # noqa: A002 - says what it does
    return text.rjust(column.width)[: column.width] if column.right else cut(text, column.width, ascii=ascii)
