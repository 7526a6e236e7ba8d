"""How well each class is recognised, and what is taken for what, as rows of text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from cifar_experiments.history import ClassAccuracy, Confused
from cifar_tui.widgets.lines import folded, wide
from cifar_tui.widgets.plot import clean
from cifar_tui.widgets.progress import bar
from cifar_tui.widgets.shapes import Row

_LONGEST_NAME = 20
_NARROWEST_COLUMN = 15
_ROOM_FOR_CHANGE = 24
_BETWEEN = "  "
_NONE_YET = "No evaluation yet: it comes at the end of an epoch."


def class_rows(classes: Sequence[ClassAccuracy], width: int, height: int, *, plain: bool) -> list[Row]:
    """Return a row for each class: its name, a bar, percent, and the change in percentage points with its sign.

    Where that are more rows than ``height``, and two columns without bars are not, it is these: ten classes can be
    seen at once in a small terminal too. ``plain`` asks for ASCII.
    """
    if not classes:
        return [[(piece, "muted")] for piece in folded(_NONE_YET, max(width, 1))]
    half = -(-len(classes) // 2)
    if half <= height < len(classes) and width >= 2 * _NARROWEST_COLUMN + len(_BETWEEN):
        room = (width - len(_BETWEEN)) // 2
        left, right = ([_brief(each, room, plain) for each in part] for part in (classes[:half], classes[half:]))
        return [[*row, (_BETWEEN, ""), *(right[place] if place < len(right) else [])] for place, row in enumerate(left)]
    longest = max(min(_LONGEST_NAME, width // 3), 1)
    names = [clean(row.name, longest, plain) for row in classes]
    longest = max(cell_len(name) for name in names)
    changed = any(row.change is not None for row in classes) and width >= 24
    room = max(width - longest - (15 if changed else 8), 0)
    return [
        [
            (set_cell_size(name, longest) + " ", ""),
            *_measured(row.accuracy, room, plain),
            *(_change(row.change) if changed else []),
        ]
        for name, row in zip(names, classes, strict=True)
    ]


def confused_rows(confused: Sequence[Confused], width: int, height: int, *, plain: bool) -> list[Row]:
    """Return the pairs that are confused most often, as many as there is room for in ``height`` rows."""
    rows: list[Row] = []
    row: Row = [("most confused ", "muted")]
    for pair in confused:
        names = (clean(name, _LONGEST_NAME, plain) for name in (pair.label, pair.prediction))
        piece: Row = [("->".join(names), ""), (f" {pair.images:,}  ", "second")]
        if wide(row) + wide(piece) - 2 > width:
            rows.append(row)
            row = [("  ", "")]
        row += piece
    return [*rows, row][:height] if confused else []


def _brief(row: ClassAccuracy, width: int, plain: bool) -> Row:
    changed = row.change is not None and width >= _ROOM_FOR_CHANGE
    room = width - (14 if changed else 7)
    name = set_cell_size(clean(row.name, room, plain), room)
    return [(name, ""), *_measured(row.accuracy, 0, plain), *(_change(row.change) if changed else [])]


def _measured(accuracy: float | None, room: int, plain: bool) -> Row:
    if accuracy is None:
        return [(" " * room, ""), ("      -", "muted")]
    filled = bar(accuracy, room, plain)
    return [(filled, "bar"), (" " * (room - cell_len(filled)), ""), (f" {100 * accuracy:6.1f}", "strong")]


def _change(change: float | None) -> Row:
    if change is None:
        return [("      -", "muted")]
    text = f"{100 * change:+.1f}"
    if float(text) == 0:
        return [("    0.0", "muted")]
    return [(f" {text:>6}", "good" if change > 0 else "bad")]
