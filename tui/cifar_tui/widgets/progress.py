"""The lines above the charts: how far a run is, how fast, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from cifar_core.errors import printable
from cifar_experiments.history import History
from cifar_tui.figures import amount, duration, rate
from cifar_tui.widgets.lines import folded
from cifar_tui.widgets.plot import clean
from cifar_tui.widgets.shapes import Row

_STATE_STYLES = {
    "running": "good",
    "completed": "good",
    "completed early": "good",
    "failed": "bad",
    "diverged": "bad",
    "crashed": "bad",
    "gone": "bad",
}
_LEAST_NAME = 14
_ROOM_FOR_COST = 60


@dataclass(frozen=True, slots=True)
class Progress:
    """What is to be said of a run; ``parts`` are figures, the most important first."""

    name: str
    state: str
    parts: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    """Where each part stands from left to right, whichever of them there is room for."""
    share: float | None = None
    """Done, 0 to 1; None where no bar is shown."""
    cost: float | None = None
    """What the screen takes of one core, 0 to 1."""
    error: str | None = None
    notes: tuple[str, ...] = ()
    """Sentences below, such as how it ended."""


def progress_of(history: History, name: str, state: str, cost: float | None) -> Progress:
    """Return what the events of a run say of it while it goes on.

    Args:
        history: Of the run.
        name: What it is called.
        state: Its status, in a word or a few.
        cost: What the screen takes of one core, 0 to 1; None where that is not known.
    """
    started, preparing = history.started, history.preparing
    if preparing is not None:
        done = amount(preparing.done, preparing.unit)
        share = preparing.done / preparing.total if preparing.total else None
        how_far = done if share is None else f"{100 * min(share, 1):.0f} %"
        words = f"{preparing.phase} {printable(preparing.subject)}"
        return Progress(
            name, state, (f"{words} {how_far}" if preparing.done or share is not None else words,), (0,), share
        )
    if started is None:
        return Progress(name, state)
    step = history.step
    figures = (
        f"step {step:,}/{started.total_steps:,}",
        f"ETA {duration(history.seconds_left)}" if history.finished is None else "",
        rate(history.steps_per_second, "it/s"),
        f"epoch {step / max(started.steps_per_epoch, 1):.2f}/{started.epochs}",
        "lr -" if history.learning_rate is None else f"lr {history.learning_rate:.4g}",
        rate(history.images_per_second, "img/s"),
    )
    return Progress(name, state, figures, (0, 4, 2, 1, 5, 3), min(step / max(started.total_steps, 1), 1.0), cost)


def rows(shown: Progress, width: int, most: int, *, plain: bool) -> list[Row]:
    """Return the lines, at most ``most``: the head, the bar, the error and the notes, these folded.

    ``plain`` asks for ASCII.
    """
    lines: list[Row] = [_head(shown, width, plain)]
    if shown.share is not None:
        lines.append(_bar(shown.share, shown.cost, width, plain))
    said: list[Row] = []
    for text, style in ((shown.error or "", "bad"), *((note, "") for note in shown.notes)):
        text = clean(text, 10_000, plain)  # noqa: PLW2901 - the same text, harmless
        said += [[(" " + piece, style)] for piece in folded(text, max(width - 2, 1)) if piece]
    room = max(most - len(lines), 0)
    if len(said) > room > 0:
        text, style = said[room - 1][0]
        said = [*said[: room - 1], [(text[: max(width - 5, 0)] + " ...", style)]]
    return lines + said[:room]


def _head(shown: Progress, width: int, plain: bool) -> Row:
    between = " - " if plain else " · "
    parts = [(place, clean(part, width, plain)) for place, part in zip(shown.order, shown.parts, strict=True) if part]
    state = clean(shown.state, max(width - 2, 1), plain)
    while True:
        told: Sequence[str] = [part for _, part in sorted(parts)]
        room = width - 2 - cell_len(state) - sum(cell_len(part) + 3 for part in told) - 3
        if room >= min(_LEAST_NAME if parts[1:] else 1, cell_len(shown.name)) or not parts:
            break
        parts.pop()
    row: Row = [(" ", "")]
    if room > 0:
        row += [(clean(shown.name, room, plain), "strong"), (between, "muted")]
    row.append((state, _STATE_STYLES.get(shown.state, "notice")))
    for part in told:
        row += [(between, "muted"), (part, "")]
    return row


def _bar(share: float, cost: float | None, width: int, plain: bool) -> Row:
    label = f" {100 * share:5.1f} % "
    if cost is not None and width >= _ROOM_FOR_COST:
        label += f"{'-' if plain else '·'} screen cost {100 * cost:4.1f} % "
    room = max(width - 2 - len(label), 1)
    done = bar(share, room, plain)
    return [(" ", ""), (done, "bar"), (("." if plain else "─") * (room - len(done)), "muted"), (label, "")]


def bar(share: float, width: int, plain: bool) -> str:
    """Return a bar as long as a share of ``width`` cells, in halves of a cell; ``plain`` asks for ASCII."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    if plain:
        return "#" * ((halves + 1) // 2)
    return "━" * (halves // 2) + "╸" * (halves % 2)
