"""Durations, amounts of memory and shares as screens show them: short, and none of them jumps in width."""

from __future__ import annotations

import math

_GIB = 1 << 30


def duration(seconds: float | None) -> str:
    """Return ``0:06``, ``1:02:03`` or ``2 d 3:04:05``; ``-`` where it is not known."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    minutes, second = divmod(max(round(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days:,} d {hour}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def rate(value: float | None, unit: str) -> str:
    """Return ``1,912 it/s``; small ones with a decimal place, ``-`` where it is not known."""
    return f"{'-' if value is None else f'{value:,.1f}' if value < 100 else f'{value:,.0f}'} {unit}"


def percent(share: float | None) -> str:
    """Return ``43 %`` of a share of 0 to 1; ``-`` where it is not known."""
    return "- %" if share is None else f"{100 * share:.0f} %"


def gib(used: int | None, total: int | None = None) -> str:
    """Return ``2.1/139 GiB`` of bytes, without the total where that is not known."""
    text = "-" if used is None else f"{used / _GIB:.1f}"
    return f"{text} GiB" if total is None else f"{text}/{total / _GIB:.0f} GiB"


def amount(value: int, unit: str) -> str:
    """Return how much of something there is: bytes in MB, all else as it is."""
    return f"{value / 1e6:,.0f} MB" if unit == "B" else f"{value:,} {unit}".strip()
