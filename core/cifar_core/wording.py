"""Foreign values as pieces of a sentence: on one line, short, and unable to steer a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, time

from cifar_core.errors import printable

LONGEST = 40
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def shown(value: object) -> str:
    """Return a foreign value as a short piece of a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        digits = int(value.bit_length() * 0.30103) + 1
        return str(value) if digits <= 20 else f"one of about {digits} digits"
    if isinstance(value, str):
        return f"'{printable(_short(value))}'"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return str(value) if isinstance(value, float | date | time) else f"a value of type {type(value).__name__}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def dotted(path: Iterable[object]) -> str:
    """Return a key as TOML writes it; whole numbers are places in a list: ``augment.mean[2]``."""
    key = ""
    for part in path:
        if isinstance(part, int) and key:
            key += f"[{part}]"
            continue
        name = part if isinstance(part, str) else shown(part)
        name = name if _PLAIN_KEY.fullmatch(name) and len(name) <= 2 * LONGEST else f'"{printable(_short(name))}"'
        key += f".{name}" if key else name
    return key
