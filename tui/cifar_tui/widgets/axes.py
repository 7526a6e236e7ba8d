"""Scales, and the few round figures beside the axes of a chart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from rich.cells import cell_len

SMALLEST, BIGGEST = 1e-290, 1e290
"""What is drawn lies between them, so that no difference overflows and no quotient of one becomes 0."""

_FAR = 1e4
"""How many charts away from its edge a value is taken to be at most; nobody sees the difference."""

_UNITS = (("T", 12), ("G", 9), ("M", 6), ("k", 3))

Tick = tuple[float, str]
"""A value and its label."""


def drawable(value: float | None, log: bool = False) -> TypeGuard[float]:
    """Return whether a scale has a place for ``value``: not for None, NaN, infinity, nor for 0 or less if ``log``."""
    return value is not None and (SMALLEST if log else -BIGGEST) <= value <= BIGGEST


@dataclass(frozen=True, slots=True)
class Scale:
    """The values from ``low`` to ``high``, spread evenly or, where ``log`` is set, by their logarithms.

    ``Scale.over`` makes one of any two numbers; the ends given here must be drawable, and ``low`` below ``high``.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, low: float, high: float, log: bool = False) -> Scale:
        """Return a scale from one end to the other, in whatever order they come.

        Ends that are one value get room on both sides: a tenth of the value, 1 for 0, a factor of 2 on a log scale. A
        log scale whose lower end is 0 or less shows three decades. Without any drawable end, a scale shows 0 to 1,
        on a log scale 1 to 10.
        """
        ends = sorted(end for end in (low, high) if drawable(end, log))
        if not ends:
            return cls(1.0, 10.0, True) if log else cls(0.0, 1.0)
        low, high = float(ends[0]), float(ends[-1])
        if log:
            if len(ends) == 1:
                return cls(high / 1000, high, True)
            return cls(low, high, True) if high > low * (1 + 1e-9) else cls(low / 2, high * 2, True)
        size = max(abs(low), abs(high))
        if high - low > max(size * 1e-9, SMALLEST):
            return cls(low, high)
        room = size / 10 if size > SMALLEST else 1.0
        return cls(low - room, high + room)

    def places(self, values: Iterable[float]) -> list[float]:
        """Return where drawable values stand: 0 at the low end, 1 at the high one, less or more beyond them."""
        if self.log:
            values = map(math.log10, values)
            start, end = math.log10(self.low), math.log10(self.high)
        else:
            start, end = self.low, self.high
        span = end - start
        places = [(value - start) / span for value in values]
        if places and (max(places) > _FAR or min(places) < -_FAR):
            return [min(max(place, -_FAR), _FAR) for place in places]
        return places


def automatic_range(series: Sequence[tuple[Sequence[float], Sequence[float], bool]], log: bool) -> Scale:
    """Return the scale that suits the lows and the highs of ``series``, all drawable, widened to round figures.

    A first loss spike must not flatten the rest. So of each series whose third member is true, the highest 1 % of the
    samples (at least one) may be left out, and the lowest, if it has 20 samples or more. That is done, for each end by
    itself, where the chart would otherwise have to reach over twice as far as what remains, or further.
    """
    if not series:
        return Scale.over(math.nan, math.nan, log)
    far = math.log10 if log else float
    lows, highs, kept_lows, kept_highs = [], [], [], []
    for some_lows, some_highs, may_be_cut in series:
        outliers = -(-len(some_lows) // 100) if may_be_cut and len(some_lows) >= 20 else 0
        rising_lows, rising_highs = sorted(some_lows), sorted(some_highs)
        lows.append(rising_lows[0])
        highs.append(rising_highs[-1])
        kept_lows.append(rising_lows[outliers])
        kept_highs.append(rising_highs[-1 - outliers])
    low, high, kept_low, kept_high = min(lows), max(highs), min(kept_lows), max(kept_highs)
    kept = far(kept_high) - far(kept_low)
    return _widened(
        Scale.over(
            kept_low if far(kept_high) - far(low) > 2 * kept else low,
            kept_high if far(high) - far(kept_low) > 2 * kept else high,
            log,
        )
    )


def _widened(scale: Scale) -> Scale:
    """Return the scale from a round figure to a round figure, so that new values seldom move everything."""
    if scale.log:
        rounds = [_times(1, mantissa, power) for power, mantissa in _rounds(scale)]
        return Scale(
            max(value for value in rounds if value <= scale.low),
            min(value for value in rounds if value >= scale.high),
            log=True,
        )
    multiples, mantissa, power = _multiples(scale, 11)
    low, high = (_times(multiples[end], mantissa, power) for end in (0, -1))
    return Scale(
        low if low == scale.low else _times(multiples[0] - 1, mantissa, power),
        high if high == scale.high else _times(multiples[-1] + 1, mantissa, power),
    )


def ticks(scale: Scale, most: int) -> list[Tick]:
    """Return at most ``most`` round values on the scale, rising, each with a label of its own.

    They are multiples of 1, 2 or 5 times a power of ten; on a log scale decades, or 1, 2 and 5 of every decade where
    there is room. From ``most`` 2 on, there are at least two: a single one would not tell how far apart things are.
    """
    if most < 1:
        return []
    if scale.log:
        rounds = [(_times(1, mantissa, power), power, mantissa) for power, mantissa in _rounds(scale)]
        rounds = [each for each in rounds if scale.low <= each[0] <= scale.high]
        decades = [each for each in rounds if each[2] == 1]
        chosen = rounds if len(rounds) <= most or len(decades) < 2 else decades
        if len(chosen) >= 2:
            return [(value, _label(value, power, value)) for value, power, _ in chosen[:: -(-len(chosen) // most)]]
    wanted = most
    while True:
        multiples, mantissa, power = _multiples(scale, wanted)
        if len(multiples) >= min(2, most):
            break
        wanted += 1
    shown = multiples if len(multiples) <= most else (multiples[0], multiples[-1])[:most]
    values = [_times(each, mantissa, power) for each in shown]
    biggest = max(abs(scale.low), abs(scale.high))
    return [(value, _label(value, power, biggest)) for value in values]


def figure(value: float, most: int = 4) -> str:
    """Return a drawable value with ``most`` digits, as in ``1.284``, ``54.3``, ``12.48 k`` and ``1e-5``."""
    size = abs(value)
    for letter, power in _UNITS:
        if max(10.0**power, 9999.5) <= size < 1e15:
            return f"{value / 10**power:.{most}g} {letter}"
    digits, _, power_of_ten = f"{value:.{most}g}".partition("e")
    return f"{digits}e{int(power_of_ten)}" if power_of_ten else digits


def left_axis(scale: Scale, rows: int, dots: int, *, plain: bool) -> list[str]:
    """Return the y axis with its labels: one text for each row, from the top, all of one width.

    ``dots`` is how many rows of dots a row holds; ``plain`` asks for ASCII.
    """
    line, crossing = ("|", "+") if plain else ("│", "┤")
    chosen = ticks(scale, max(2, rows // 3))
    places = scale.places(value for value, _ in chosen)
    labels = {
        round((1 - place) * (rows * dots - 1)) // dots: label for place, (_, label) in zip(places, chosen, strict=True)
    }
    width = max(len(label) for label in labels.values())
    return [labels[row].rjust(width) + crossing if row in labels else " " * width + line for row in range(rows)]


def bottom_axis(scale: Scale, columns: int, before: int, name: str, *, rows: int, plain: bool) -> list[str]:
    """Return the x axis: its labels and ``name`` in one row, and the line above them if ``rows`` is 2.

    The axis is ``columns`` wide; ``before`` is the room to the left of it, where the y axis stands.
    """
    straight, crossing, corner = "-++" if plain else "─┬└"
    line = [" "] * before + [straight] * columns
    if before:
        line[before - 1] = corner
    text = ""
    chosen = ticks(scale, max(2, columns // 10))
    for place, (_, label) in zip(scale.places(value for value, _ in chosen), chosen, strict=True):
        at = before + round(place * (columns - 1))
        start = max(0, min(at - len(label) // 2, before + columns - len(label)))
        if (not text or start >= len(text) + 2) and start + len(label) <= before + columns:
            text = text.ljust(start) + label
            line[at] = crossing
    text = _named(text, name, before + columns)
    return ["".join(line), text][-rows:]


def _named(text: str, name: str, width: int) -> str:
    """Return ``text``, ``width`` cells wide, with ``name`` in the last gap between its labels that has room for it."""
    text = text.ljust(width)
    room = cell_len(name)
    gaps = [gap.span() for gap in re.finditer(r"(?:^| ) +(?: |$)", text)] if name else []
    for start, end in reversed(gaps):
        first = start if start == 0 else start + 2
        last = end if end == width else end - 2
        if last - first >= room:
            return text[: last - room] + name + text[last:]
    return text


def _rounds(scale: Scale) -> list[tuple[int, int]]:
    """Return the powers of ten and the factors 1, 2 and 5 of them that cover a log scale, a little more than it."""
    powers = range(math.floor(math.log10(scale.low)) - 1, math.floor(math.log10(scale.high)) + 2)
    return [(power, mantissa) for power in powers for mantissa in (1, 2, 5)]


def _multiples(scale: Scale, most: int) -> tuple[range, int, int]:
    """Return those multiples on the scale, at most ``most``, of the smallest possible 1, 2 or 5 times a power of ten.

    They come as whole numbers, with the factor and the power that they are multiples of.
    """
    power = math.floor(math.log10((scale.high - scale.low) / most))
    while True:
        for mantissa in (1, 2, 5):
            size = _times(1, mantissa, power)
            first, last = math.ceil(scale.low / size), math.floor(scale.high / size)
            # Quotients are rounded: 1.001 / 0.001 is a little less than 1001.
            first += (_times(first, mantissa, power) < scale.low) - (_times(first - 1, mantissa, power) >= scale.low)
            last += (_times(last + 1, mantissa, power) <= scale.high) - (_times(last, mantissa, power) > scale.high)
            if last - first < most:
                return range(first, last + 1), mantissa, power
        power += 1


def _times(multiple: int, mantissa: int, power: int) -> float:
    """Return ``multiple * mantissa * 10**power``, rounded once: 3 times 0.1 is 0.3."""
    return float(multiple * mantissa * 10**power) if power >= 0 else multiple * mantissa / 10**-power


def _label(value: float, place: int, biggest: float) -> str:
    """Return ``value`` with its digits down to ``10**place``, as it is written on an axis that reaches ``biggest``."""
    if not 1e-3 <= biggest < 1e15:
        if value == 0:
            return "0"
        digits = max(0, math.floor(math.log10(abs(value))) - place)
        significand, power_of_ten = f"{value:.{digits}e}".split("e")
        return f"{float(significand):g}e{int(power_of_ten)}"
    for letter, power in _UNITS:
        if abs(value) >= 10**power and power - place <= 2:
            return f"{value / 10**power:.{max(0, power - place)}f} {letter}"
    return f"{value:.{max(0, -place)}f}"
