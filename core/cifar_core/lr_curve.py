"""What a learning-rate range test shows: the loss over the rate without its noise, and the rates worth trying."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINTS_PER_DECADE = 40
WIDTH = 0.15
"""Decades to either side of a rate whose losses count for it: the standard deviation of their weights. Where rates are
further apart than that, it is what they are apart."""

MOST = 4.0
"""Times the median; what is above it counts as that, or one loss of millions would bend all that is near it."""

LEAST_FALL = 0.02
"""Share of the first loss by which it has to fall; less may be chance."""


@dataclass(frozen=True, slots=True)
class Point:
    """One rate."""

    rate: float
    loss: float
    slope: float
    """Of the loss, for each decade of the rate."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two rates, by two rules of thumb."""

    steepest: Point
    """Where the loss falls fastest on the way to its minimum."""
    lowest: Point
    """Its minimum; a tenth of this rate is the other one."""


def smooth(tried: Sequence[tuple[float, float]]) -> list[Point]:
    """Return the loss over the rate, evenly spaced by the rate's logarithm.

    Each point is that of a straight line through its neighbourhood (local linear regression with a normal kernel,
    Cleveland, 1979), which unlike a running mean lags behind nothing, and whose slope is the derivative.

    Args:
        tried: Rate and loss of single steps, at least 2; rates rise, losses are finite.
    """
    rates, losses = np.array(tried).T
    x, y = np.log10(rates), np.minimum(losses, MOST * np.median(losses))
    width = max(WIDTH, (x[-1] - x[0]) / (len(x) - 1))
    places = np.linspace(x[0], x[-1], max(2, math.ceil((x[-1] - x[0]) * POINTS_PER_DECADE)))
    away = x[None, :] - places[:, None]
    weights = np.exp(-0.5 * (away / width) ** 2)
    total, first, second = (np.sum(weights * away**power, axis=1) for power in range(3))
    here, sloped = weights @ y, (weights * away) @ y
    determinant = total * second - first**2
    loss = (second * here - first * sloped) / determinant
    slope = (total * sloped - first * here) / determinant
    return [Point(*map(float, point)) for point in zip(10**places, loss, slope, strict=True)]


def suggested(points: Sequence[Point]) -> Suggestion | None:
    """Return what the smooth curve suggests; None where the loss falls nowhere."""
    lowest = min(range(len(points)), key=lambda place: points[place].loss, default=0)
    if not points or points[0].loss - points[lowest].loss < LEAST_FALL * abs(points[0].loss):
        return None
    return Suggestion(min(points[: lowest + 1], key=lambda point: point.slope), points[lowest])
