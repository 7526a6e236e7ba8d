"""Line charts as text: braille dots in cells, or ASCII letters where a terminal has no Unicode."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from cifar_core.errors import printable
from cifar_tui.widgets.axes import Scale, automatic_range, bottom_axis, drawable, figure, left_axis
from cifar_tui.widgets.cells import STAGGER, Cells, along, layers, pieces, specimen
from cifar_tui.widgets.shapes import LOOKS, Piece, Row, Style, dash

Point = tuple[float, float | None, float | None, float | None]
"""x, low, high and value of one column; the value is None where there is a gap."""

_LONGEST_NAME = 32

_NOTHING = "There are no values to show yet."
_NOTHING_ABOVE_0 = "No value is above 0, so a log scale has nothing to show."


@dataclass(frozen=True, slots=True)
class Line:
    """One series. ``points`` rise in x and are at most about two for each character column.

    Only the style ``raw`` shows ``low`` and ``high``. A line without a name is not in the legend.
    """

    name: str
    points: Sequence[Point]
    style: Style


@dataclass(frozen=True, slots=True)
class Mark:
    """One character over the lines, such as a star at the best epoch. Without a label it is not in the legend."""

    x: float
    y: float
    symbol: str
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart shows. Where ``y_range`` is None, ``axes.automatic_range`` finds one for the values in sight."""

    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float] | None = None
    log: bool = False
    title: str = ""
    x_label: str = ""
    x_log: bool = False


_Sample = tuple[float, float, float, float]
"""x, low, high and value of a point of which everything can be drawn."""

_Series = list[tuple[Line, list[_Sample | None]]]


def draw(plot: Plot, width: int, height: int, *, ascii: bool = False) -> list[Row]:  # noqa: A002 - says what it does
    """Return ``height`` rows of pieces, each row exactly ``width`` cells wide.

    Lines that meet in a cell share it: their dots add up, and the style is that of the later one. A band gives way to
    any line, so that the line keeps its shape. Values beyond ``y_range`` leave the chart through its edge. Where there
    is little room, the x axis is left out first, then the legend, then the y axis. A chart without any value is a
    sentence. Foreign text is made printable and cut to cells. ``ascii`` does without Unicode.
    """
    if width < 1 or height < 1:
        return [[] for _ in range(height)]
    series = [(line, _samples(line, plot.log)) for line in plot.lines]
    if not any(any(samples) for _, samples in series):
        return _sentence(plot, width, height, ascii)
    x_scale = Scale.over(*plot.x_range, plot.x_log)
    y_scale = Scale.over(*plot.y_range, plot.log) if plot.y_range else _automatic(series, x_scale, plot.log)
    head = _head(plot, series, width, height, ascii) if width >= 12 and height >= 4 else []
    below = (0 if height < 6 else 1 if height < 10 else 2) if width >= 16 else 0
    rows = height - len(head) - below
    left = left_axis(y_scale, rows, 1 if ascii else 4, plain=ascii) if width >= 16 and height >= 3 else [""]
    # Long labels would leave too little room for what they are about.
    before = len(left[0]) if 3 * len(left[0]) <= width else 0
    body = _body(plot, series, (x_scale, y_scale), (width - before, rows), ascii)
    if before:
        body = [[(label, "axis"), *row] for label, row in zip(left, body, strict=True)]
    if below:
        name = clean(plot.x_label, width, ascii)
        axis = bottom_axis(x_scale, width - before, before, name, rows=below, plain=ascii)
        body += [[(text, "axis")] for text in axis]
    return head + body


def _samples(line: Line, log: bool) -> list[_Sample | None]:
    """Return what can be drawn of each point; None for a gap."""
    samples: list[_Sample | None] = []
    for x, low, high, value in line.points:
        if not drawable(value, log) or not drawable(x):
            samples.append(None)
        elif line.style == "raw":
            bottom = min(low, value) if drawable(low, log) else value
            samples.append((x, bottom, max(high, value) if drawable(high, log) else value, value))
        else:
            samples.append((x, value, value, value))
    return samples


def _automatic(series: _Series, x_scale: Scale, log: bool) -> Scale:
    """Return the scale for the values in sight; validation, test and the newest value of a line are never cut."""
    extents: list[tuple[Sequence[float], Sequence[float], bool]] = []
    for line, samples in series:
        seen = [each for each in samples if each and x_scale.low <= each[0] <= x_scale.high]
        if seen:
            _, lows, highs, values = zip(*seen, strict=True)
            extents.append((lows, highs, line.style not in ("validation", "test")))
            if line.style != "raw":
                extents.append((values[-1:], values[-1:], False))
    return automatic_range(extents, log)


def _body(plot: Plot, series: _Series, scales: tuple[Scale, Scale], size: tuple[int, int], plain: bool) -> list[Row]:
    """Return what is between the axes."""
    dots, bands = layers(*size, plain)
    over: dict[int, Piece] = {}

    def columns(cells: Cells, values: Sequence[float]) -> list[int]:
        return [round(place * (cells.columns - 1)) for place in scales[0].places(values)]

    def rows(cells: Cells, values: Sequence[float]) -> list[int]:
        return [round((1 - place) * (cells.rows - 1)) for place in scales[1].places(values)]

    for line, samples in series:
        look = LOOKS[line.style]
        for run in _runs(samples):
            xs, lows, highs, _ = zip(*run, strict=True)
            if look.dash == "band":
                extents = zip(columns(bands, xs), rows(bands, highs), rows(bands, lows), strict=True)
                bands.shade(list(extents), line.style)
                continue
            path = list(zip(columns(dots, xs), rows(dots, lows), strict=True))
            # A value without neighbours is a line to itself, and easily overlooked.
            alone = len(path) == 1
            dots.stroke(path * 2 if alone else path, dash(look, plain), line.style)
            if not plain and (look.mark or alone):
                over |= along(path, (look.mark or "•", line.style), STAGGER[line.style], dots)
    for mark in plot.marks:
        if drawable(mark.x) and drawable(mark.y, plot.log):
            at = (columns(dots, [mark.x])[0], rows(dots, [mark.y])[0])
            over |= along([at], (_symbol(mark, plain), "mark"), 0, dots)
    return [pieces(dots, bands, over, row, plain) for row in range(size[1])]


def _runs(samples: list[_Sample | None]) -> Iterator[list[_Sample]]:
    """Yield what is between the gaps."""
    run: list[_Sample] = []
    for sample in [*samples, None]:
        if sample:
            run.append(sample)
        elif run:
            yield run
            run = []


def _head(plot: Plot, series: _Series, width: int, height: int, plain: bool) -> list[Row]:
    """Return the title and the legend, in as many rows as the height allows.

    Where that is too little, the title goes first, then digits of the values; at last, lines are only counted.
    """
    most = max(1, height // 6)
    title: list[Row] = [[(clean(plot.title, width, plain), "title")]] if plot.title else []
    with_values, shorter, names = (_entries(plot, series, width, plain, digits=digits) for digits in (4, 2, 0))
    rows = _flow(title + with_values, width, most) or _flow(with_values, width, most) or _flow(shorter, width, most)
    kept = len(names)
    while rows is None:
        more: list[Row] = [[(f"+{len(names) - kept}", "legend")]] if kept < len(names) else []
        rows = _flow(names[:kept] + more, width, most)
        kept -= 1
    return rows


def _entries(plot: Plot, series: _Series, width: int, plain: bool, *, digits: int) -> list[Row]:
    """Return what the legend says of each line and each mark that has a name; without values where 0 digits are."""
    longest = min(_LONGEST_NAME, width - 4)
    entries: list[Row] = []
    for line, samples in series:
        if line.name:
            text = f" {clean(line.name, longest, plain)}"
            newest = next((each[3] for each in reversed(samples) if each), None)
            if digits and newest is not None:
                text += f" {figure(newest, digits)}"
            entries.append([*specimen(line.style, plain), (text, "legend")])
    labelled = [mark for mark in plot.marks if mark.label]
    marks = dict.fromkeys((_symbol(mark, plain), clean(mark.label, longest, plain)) for mark in labelled)
    return entries + [[(symbol, "mark"), (f" {label}", "legend")] for symbol, label in marks]


def _flow(items: list[Row], width: int, most: int) -> list[Row] | None:
    """Return the items in at most ``most`` rows of this width; None where they do not fit."""
    rows: list[Row] = []
    rooms: list[int] = []
    for item in items:
        size = sum(cell_len(text) for text, _ in item)
        if rows and rooms[-1] >= size + 2:
            rows[-1] += [("  ", ""), *item]
            rooms[-1] -= size + 2
        elif size <= width and len(rows) < most:
            rows.append([*item])
            rooms.append(width - size)
        else:
            return None
    return [[*row, (" " * room, "")] if room else row for row, room in zip(rows, rooms, strict=True)]


def _sentence(plot: Plot, width: int, height: int, plain: bool) -> list[Row]:
    """Return what stands in place of a chart without values, under its title."""
    hidden = plot.log and any(drawable(value) for line in plot.lines for _, _, _, value in line.points)
    lines = textwrap.wrap(_NOTHING_ABOVE_0 if hidden else _NOTHING, width)[:height]
    above = (height - len(lines)) // 2
    rows = [[(line.center(width), "empty")] for line in ["" for _ in range(above)] + lines]
    rows += [[(" " * width, "empty")] for _ in range(height - len(rows))]
    if plot.title and above:
        rows[:1] = _flow([[(clean(plot.title, width, plain), "title")]], width, 1) or []
    return rows


def _symbol(mark: Mark, plain: bool) -> str:
    """Return the one character, one cell wide, that stands for a mark."""
    symbol = mark.symbol
    fits = len(symbol) == cell_len(symbol) == 1 and symbol.isprintable() and (symbol.isascii() or not plain)
    return symbol if fits else "*"


def clean(text: str, longest: int, plain: bool) -> str:
    """Return foreign text that steers no terminal and is at most ``longest`` cells wide."""
    # What has no width of its own changes that of its neighbours, and no two terminals agree how.
    composed = printable(unicodedata.normalize("NFC", text))
    text = "".join(character for character in composed if cell_len(character))
    if plain:
        text = text.encode("ascii", "replace").decode()
    return text if cell_len(text) <= longest else set_cell_size(text, longest - 1) + ("~" if plain else "…")
