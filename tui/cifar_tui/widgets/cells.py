"""Dots gathered in the cells of a terminal: lines, bands and the marks over them."""

from __future__ import annotations

import itertools

from cifar_tui.widgets.shapes import BRAILLE, HALVES, LETTERS, LOOKS, Piece, Row, Style, dash

_MARK_EVERY = 6
"""Cells from one mark on a line to the next, at least: values further apart all have one, and so has the newest."""

STAGGER = {style: 2 * place % _MARK_EVERY for place, style in enumerate(LOOKS)}
"""Cells without marks at the left, so that lines over one another show the marks of all."""


class Cells:
    """Dots, ``across`` by ``down`` in each of ``width`` by ``height`` cells, and the style of every cell."""

    def __init__(self, width: int, height: int, across: int, down: int) -> None:
        self.width, self.height, self.across, self.down = width, height, across, down
        self.columns, self.rows = width * across, height * down
        self.masks = [0] * (width * height)
        self.styles = [""] * (width * height)
        bits = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80] if across == 2 else [1, 2][:down]
        self._bits = [bits[aside::across] * height for aside in range(across)]
        """The bit of a dot in its cell, by its column in the cell and its row."""
        self._starts = [row // down * width for row in range(self.rows)]
        """The first cell of each row of dots."""

    def stroke(self, path: list[tuple[int, int]], pattern: str, style: str) -> None:
        """Draw a line through points (column, row) after Bresenham, with a dot for each "1" of ``pattern`` in turn."""
        masks, styles, bits, starts = self.masks, self.styles, self._bits, self._starts
        across, period = self.across, len(pattern)
        right_edge, bottom_edge = self.columns - 1, self.rows - 1
        drawn = 0
        for (column, row), (last_column, last_row) in itertools.pairwise(path):
            if (
                not 0 <= column <= right_edge
                or not 0 <= last_column <= right_edge
                or not 0 <= row <= bottom_edge
                or not 0 <= last_row <= bottom_edge
            ):
                part = _within((column, row), (last_column, last_row), right_edge, bottom_edge)
                if part is None:
                    continue
                column, row, last_column, last_row = part  # noqa: PLW2901 - Bresenham walks from here to there
            right, up = abs(last_column - column), -abs(last_row - row)
            aside, along = 1 if column < last_column else -1, 1 if row < last_row else -1
            error = right + up
            while True:
                if pattern[drawn % period] == "1":
                    cell = starts[row] + column // across
                    masks[cell] |= bits[column % across][row]
                    styles[cell] = style
                if column == last_column and row == last_row:
                    break
                drawn += 1
                double = 2 * error
                if double >= up:
                    error += up
                    column += aside  # noqa: PLW2901
                if double <= right:
                    error += right
                    row += along  # noqa: PLW2901

    def shade(self, path: list[tuple[int, int, int]], style: str) -> None:
        """Fill from top to bottom between points (column, top, bottom): half of the dots of braille, all of ASCII."""
        column, top, bottom = path[0]
        if column == path[-1][0]:
            # The pattern may have no dot where all that there is stands.
            self._fill(column, bottom, bottom, 1, style)
        for next_column, next_top, next_bottom in path:
            apart = next_column - column
            begin, end = top, bottom
            first = max(column + 1 if apart > 0 else next_column, 0)
            for between in range(first, min(next_column, self.columns - 1) + 1):
                share = (between - column) / apart if apart > 0 else 1.0
                upper = round(top + (next_top - top) * share)
                lower = round(bottom + (next_bottom - bottom) * share)
                # Neighbours that would not touch are drawn towards each other.
                self._fill(between, min(upper, end), max(lower, begin), self.across, style)
                begin, end = upper, lower
            column, top, bottom = next_column, next_top, next_bottom

    def _fill(self, column: int, top: int, bottom: int, every: int, style: str) -> None:
        if not 0 <= column < self.columns:
            return
        masks, styles, bits, starts = self.masks, self.styles, self._bits[column % self.across], self._starts
        across = column // self.across
        top, bottom = max(top, 0), min(bottom, self.rows - 1)
        for row in range(top + (top + column) % every, bottom + 1, every):
            cell = starts[row] + across
            masks[cell] |= bits[row]
            styles[cell] = style


def _within(
    start: tuple[int, int], end: tuple[int, int], last_column: int, last_row: int
) -> tuple[int, int, int, int] | None:
    """Return the ends of that part of a line that is inside (after Liang and Barsky); None where it passes by."""
    (column, row), (to_column, to_row) = start, end
    across, along = to_column - column, to_row - row
    first, last = 0.0, 1.0
    for at, change, edge in ((column, across, last_column), (row, along, last_row)):
        if change:
            enters, leaves = sorted((-at / change, (edge - at) / change))
            first, last = max(first, enters), min(last, leaves)
        elif not 0 <= at <= edge:
            return None
    if first > last:
        return None
    return (
        round(column + first * across),
        round(row + first * along),
        round(column + last * across),
        round(row + last * along),
    )


def layers(width: int, height: int, plain: bool) -> tuple[Cells, Cells]:
    """Return the cells for lines and those for bands; in ASCII a line has one letter a cell, a band two halves."""
    across, down, halves = (1, 1, 2) if plain else (2, 4, 4)
    return Cells(width, height, across, down), Cells(width, height, across, halves)


def along(path: list[tuple[int, int]], mark: Piece, free: int, dots: Cells) -> dict[int, Piece]:
    """Return ``mark`` for some cells on the path: from column ``free`` on at some distance, and for its end."""
    marked = {}
    for place, (column, row) in enumerate(path, 1):
        across, down = column // dots.across, row // dots.down
        if 0 <= down < dots.height and 0 <= across < dots.width and (across >= free or place == len(path)):
            free = across + _MARK_EVERY
            marked[down * dots.width + across] = mark
    return marked


def pieces(dots: Cells, bands: Cells, over: dict[int, Piece], row: int, plain: bool) -> Row:
    """Return a row, with as few pieces as its styles allow."""
    pieces: Row = []
    text, style = "", ""
    for cell in range(row * dots.width, (row + 1) * dots.width):
        new = style
        if cell in over:
            glyph, new = over[cell]
        elif dots.masks[cell]:
            new = dots.styles[cell]
            glyph = LETTERS[new] if plain else BRAILLE[dots.masks[cell]]
        elif bands.masks[cell]:
            new = bands.styles[cell]
            glyph = (HALVES if plain else BRAILLE)[bands.masks[cell]]
        else:
            glyph = " "
        if new != style:
            if text:
                pieces.append((text, style))
            text, style = "", new
        text += glyph
    return [*pieces, (text, style)]


def specimen(style: Style, plain: bool) -> Row:
    """Return three cells of a line of this style."""
    look = LOOKS[style]
    dots, bands = layers(3, 1, plain)
    if look.dash == "band":
        bands.shade([(0, 0, bands.rows - 1), (bands.columns - 1, 0, bands.rows - 1)], style)
    else:
        row = dots.rows // 4
        dots.stroke([(0, row), (dots.columns - 1, row)], dash(look, plain), style)
    return pieces(dots, bands, {1: (look.mark, style)} if look.mark and not plain else {}, 0, plain)
