"""In which line of a TOML text each key stands, so that an error can point at it."""

from __future__ import annotations

import re

import tomli

_BASIC = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_LITERAL = r"'[^'\n]*'"
_LONG_BASIC = r'"""(?:[^"\\]|\\.|"(?!""))*""""{0,2}'
_LONG_LITERAL = r"'''(?:[^']|'(?!''))*''''{0,2}"
_PART = rf"(?:[A-Za-z0-9_-]+|{_BASIC}|{_LITERAL})"
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
# Strings and comments are tokens of their own, since they may hold brackets, and long strings line feeds.
_TOKEN = re.compile(
    rf"""{_LONG_BASIC}|{_LONG_LITERAL}|{_BASIC}|{_LITERAL}|#[^\n]*|[\[{{]|[\]}}]|\n|[^"'#\[\]{{}}\n]+""", re.DOTALL
)

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, in which each key and table header of a valid TOML text stands.

    Keys inside inline tables and arrays of tables are left out, as is what comes after anything that this
    cannot read: a key that is not there has no known line, one that is there has the right one.
    """
    lines: dict[Path, int] = {}
    arrays: set[Path] = set()
    table: Path = ()
    position, line, counted = 0, 1, 0
    while (position := _end(_BLANK, text, position)) < len(text):
        line += text.count("\n", counted, position)
        counted = position
        brackets = 2 if text.startswith("[[", position) else text.startswith("[", position)
        start = _end(_SPACE, text, position + brackets)
        key = _KEY.match(text, start)
        path = _parts(key.group()) if key else None
        if key is None or path is None:
            break
        if brackets:
            table = path
            if brackets == 2:
                arrays.add(path)
            position = _end(_SPACE, text, key.end()) + brackets
        else:
            path = (*table, *path)
            position = _end_of_value(text, key.end())
        if not any(path[:length] in arrays for length in range(1, len(path) + 1)):
            lines.setdefault(path, line)
    return lines


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _parts(key: str) -> Path | None:
    """Return the parts of a dotted key, quotes and escapes undone."""
    try:
        tree = tomli.loads(f"{key}=0")
    except (ValueError, RecursionError):
        return None
    parts = []
    node: object = tree
    while isinstance(node, dict):
        ((part, node),) = node.items()
        parts.append(part)
    return tuple(parts)


def _end_of_value(text: str, position: int) -> int:
    """Return where the statement ends that goes on at ``position``: the first line feed outside brackets."""
    depth = 0
    while token := _TOKEN.match(text, position):
        first = token.group()[0]
        if first == "\n" and depth <= 0:
            break
        depth += (first in "[{") - (first in "]}")
        position = token.end()
    return position if token else len(text)
