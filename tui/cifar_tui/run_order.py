"""Which runs a list shows, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from cifar_experiments.runs.roster import Entry
from cifar_experiments.runs.summary import Summary
from cifar_tui.run_words import leading, seconds_spent

Order = Literal["started", "accuracy", "name", "state", "time"]
ORDERS: tuple[Order, ...] = get_args(Order)

_STATES = ("running", "paused", "created", "failed", "diverged", "crashed", "stopped", "completed")

_Value = float | str | None

_VALUES: dict[Order, Callable[[Summary], _Value]] = {
    "accuracy": lambda summary: None if (known := leading(summary)) is None else -known[0],
    "name": lambda summary: summary.experiment.casefold(),
    "state": lambda summary: _STATES.index(summary.state),
    "time": lambda summary: -seconds_spent(summary),
}
"""What each order goes by, from the lowest; "started" is the order that runs come in."""


def matching(entries: Sequence[Entry], text: str) -> list[Entry]:
    """Return the runs that have every word of ``text`` in their id, experiment, model or state, in either case."""
    words = text.casefold().split()
    return [entry for entry in entries if all(word in _searched(entry) for word in words)]


def ordered(entries: Sequence[Entry], order: Order, *, backwards: bool = False) -> list[Entry]:
    """Return runs, which come newest first, in another order; those it knows nothing of are the last either way."""
    if order == "started":
        return list(reversed(entries)) if backwards else list(entries)
    known: list[tuple[float | str, Entry]] = []
    unknown = []
    for entry in entries:
        value = None if entry.summary is None else _VALUES[order](entry.summary)
        if value is None:
            unknown.append(entry)
        else:
            known.append((value, entry))
    known.sort(key=lambda each: each[0], reverse=backwards)
    return [entry for _, entry in known] + unknown


def _searched(entry: Entry) -> str:
    summary = entry.summary
    known = ("damaged",) if summary is None else (summary.experiment, summary.model, summary.state)
    words = (entry.run.id, *known)
    return "\n".join(words).casefold()
