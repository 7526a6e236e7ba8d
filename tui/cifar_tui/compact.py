"""The same picture in fewer bytes: of the styles that are sent to a terminal, only what changes from one to the next.

A library that draws each piece of a line by itself resets the style after each, and then says all of the next one
again, the background that they share included. That is more than half of what a chart sends.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_STYLE = re.compile(r"\x1b\[([0-9;]*)m")


class _Style(NamedTuple):
    """A style by what stands for it in an escape sequence; "" is a terminal's own."""

    attributes: str = ""
    foreground: str = ""
    background: str = ""


def compact(data: str) -> str:
    """Return what leaves a terminal as ``data`` does. Only of a style that comes right after a reset less is said."""
    pieces = []
    position, was_reset = 0, False
    before: str | None = None
    """The style that is in force, all of it; None where that is not known."""
    for match in _STYLE.finditer(data):
        between, style = data[position : match.start()], match[1]
        position = match.end()
        if was_reset and between:
            pieces.append("\x1b[0m")
            before, was_reset = "", False
        pieces.append(between)
        if style in ("", "0"):
            was_reset = True  # held back to see what follows
            continue
        if was_reset:
            pieces.append(f"\x1b[0;{style}m" if before is None else _change(before, style))
            before, was_reset = style, False
        else:
            pieces.append(match[0])
            before = style if before == "" else None
    return "".join((*pieces, "\x1b[0m" if was_reset else "", data[position:]))


@lru_cache(maxsize=4096)
def _change(before: str, after: str) -> str:
    """Return the sequence from one style to another one that is said in full."""
    was, now = _parsed(before), _parsed(after)
    if was is None or now is None or was.attributes != now.attributes:
        return f"\x1b[0;{after}m"
    parts = []
    if was.foreground != now.foreground:
        parts.append(now.foreground or "39")
    if was.background != now.background:
        parts.append(now.background or "49")
    return f"\x1b[{';'.join(parts)}m" if parts else ""


@lru_cache(maxsize=4096)
def _parsed(style: str) -> _Style | None:
    """Return the parts of a style; None where it holds something that is not known here."""
    attributes, foreground, background = [], "", ""
    codes = style.split(";") if style else []
    while codes:
        code = codes.pop(0)
        if code in ("38", "48"):
            length = {"5": 2, "2": 4}.get(codes[0] if codes else "")
            if length is None or len(codes) < length:
                return None
            colour = ";".join((code, *codes[:length]))
            del codes[:length]
            foreground, background = (colour, background) if code == "38" else (foreground, colour)
        elif code in _FOREGROUNDS:
            foreground = code
        elif code in _BACKGROUNDS:
            background = code
        elif code in _ATTRIBUTES:
            attributes.append(code)
        else:
            return None
    return _Style(";".join(attributes), foreground, background)


_ATTRIBUTES = frozenset(map(str, range(1, 10)))
_FOREGROUNDS = frozenset(map(str, (*range(30, 38), *range(90, 98))))
_BACKGROUNDS = frozenset(map(str, (*range(40, 48), *range(100, 108))))
