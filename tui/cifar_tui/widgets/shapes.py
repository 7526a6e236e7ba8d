"""The styles of lines: the shape and the colours of each."""

from __future__ import annotations

from typing import Literal, NamedTuple

Style = Literal[
    "raw", "smooth", "validation", "test",
    "other1", "other2", "other3", "other4", "other5", "other6", "other7", "other8",
]  # fmt: skip

Piece = tuple[str, str]
"""Some text, and the key of its style: a ``Style``, one of ``KEYS``, or nothing."""

Row = list[Piece]

KEYS = ("mark", "axis", "title", "legend", "empty")


class Look(NamedTuple):
    """How a style looks: its shape, and its colour on dark and on light backgrounds and among a terminal's own."""

    dash: Literal["solid", "dashed", "dotted", "sparse", "band"]
    mark: str
    letter: str
    dark: str
    light: str
    ansi: str


LOOKS: dict[Style, Look] = {
    "raw": Look("band", "", ":", "#56B4E9 45%", "#0072B2 45%", "ansi_default"),
    "smooth": Look("solid", "", "*", "#56B4E9", "#0072B2", "ansi_cyan"),
    "validation": Look("dashed", "●", "o", "#E69F00", "#D55E00", "ansi_yellow"),
    "test": Look("dotted", "■", "x", "#009E73", "#009E73", "ansi_green"),
    "other1": Look("solid", "○", "+", "#56B4E9", "#2F86BD", "ansi_cyan"),
    "other2": Look("dashed", "▲", "*", "#E69F00", "#B37700", "ansi_yellow"),
    "other3": Look("dotted", "□", "o", "#009E73", "#009E73", "ansi_green"),
    "other4": Look("sparse", "◊", "+", "#CC79A7", "#CC79A7", "ansi_magenta"),
    "other5": Look("solid", "▼", "x", "#0072B2", "#0072B2", "ansi_bright_blue"),
    "other6": Look("dashed", "", "x", "#D55E00", "#D55E00", "ansi_red"),
    "other7": Look("dotted", "", "*", "#F0E442", "#8C8400", "ansi_bright_yellow"),
    "other8": Look("sparse", "", "x", "#FFFFFF", "#000000", "ansi_default"),
}
"""The Okabe-Ito colours, pale ones darker on light backgrounds; and shapes, no two of them alike, in either mode."""

_DASHES_OF_DOTS = {"solid": "1", "dashed": "110011", "dotted": "10", "sparse": "1000"}
_DASHES_OF_LETTERS = {"solid": "1", "dashed": "110", "dotted": "10", "sparse": "100"}
LETTERS: dict[str, str] = {style: look.letter for style, look in LOOKS.items()}
BRAILLE = [chr(0x2800 + mask) for mask in range(256)]
HALVES = " '.:"


def dash(look: Look, plain: bool) -> str:
    """Return where a line of this look has dots, or letters, as a pattern of "1" and "0"."""
    return (_DASHES_OF_LETTERS if plain else _DASHES_OF_DOTS)[look.dash]
