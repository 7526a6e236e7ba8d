"""A few figures as a line of text, each the height of a character."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
LETTERS = "._-~=+*#"


def sparkline(values: Sequence[float], width: int, *, ascii: bool = False) -> str:  # noqa: A002 - says what it does
    """Return at most ``width`` characters, from the lowest value to the highest; more values share one by their mean.

    Values that are all alike stand at half the height. The newest value always has the last character to itself.
    """
    levels = LETTERS if ascii else BLOCKS
    if width < 1 or not values:
        return ""
    shown = _gathered(values, width)
    low, high = min(shown), max(shown)
    if high - low < 1e-9:
        return levels[3] * len(shown)
    return "".join(levels[min(int((value - low) / (high - low) * len(levels)), len(levels) - 1)] for value in shown)


def _gathered(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    *before, newest = values
    shares = [
        before[len(before) * at // (width - 1) : len(before) * (at + 1) // (width - 1)] for at in range(width - 1)
    ]
    return [*(sum(share) / len(share) for share in shares), newest]
