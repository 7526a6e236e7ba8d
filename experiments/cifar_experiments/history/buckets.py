"""Successive points summed up by the bucket: what remains of a long series, and what its columns are made from."""

from __future__ import annotations

import math
import operator
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Column(NamedTuple):
    """What one column of a chart stands for: its points, gaps left out, at least one."""

    place: int
    """From 0 on, from the left."""
    begin: float
    end: float
    """x of the first and of the last point."""
    minimum: float
    maximum: float
    mean: float
    last: float
    """y of the last point."""


@dataclass(frozen=True, slots=True)
class View:
    """A window of a series, from ``first`` to ``last`` in x, cut into ``width`` columns of equal width."""

    first: float
    last: float
    width: int
    columns: tuple[Column, ...]
    """Those that have points, in order."""

    @property
    def range(self) -> tuple[float, float] | None:
        """The lowest and the highest y; None where there is none."""
        if not self.columns:
            return None
        return min(column.minimum for column in self.columns), max(column.maximum for column in self.columns)


class Buckets:
    """Successive points in buckets, each summed up by seven figures: the arrays are indexed by bucket.

    A gap, a point whose y is NaN, belongs to its bucket and takes no part in ``minima``, ``maxima``, ``sums``,
    ``counts`` and ``newest``. In a bucket of gaps alone these are infinity, minus infinity, 0, 0 and NaN: so the
    smallest of several minima, and the sum of several sums, need not look for them.
    """

    __slots__ = ("begins", "counts", "ends", "maxima", "minima", "newest", "sums")

    def __init__(self) -> None:
        self.begins = array("d")
        """x of the first point."""
        self.ends = array("d")
        """x of the last point."""
        self.minima = array("d")
        self.maxima = array("d")
        self.sums = array("d")
        self.counts = array("q")
        """Points that are no gaps."""
        self.newest = array("d")
        """y of the last point that is no gap."""

    def __len__(self) -> int:
        return len(self.begins)

    def add(self, xs: array[float], ys: array[float]) -> None:
        """Append one bucket that sums up all of the points (at least one)."""
        total = sum(ys)
        # Of finite numbers no sum is NaN, not even one that overflows.
        values = [y for y in ys if y == y] if math.isnan(total) else ys
        self.begins.append(xs[0])
        self.ends.append(xs[-1])
        self.minima.append(min(values, default=math.inf))
        self.maxima.append(max(values, default=-math.inf))
        self.sums.append(total if values is ys else sum(values))
        self.counts.append(len(values))
        self.newest.append(values[-1] if values else math.nan)

    def merge_last(self) -> None:
        """Make the last two buckets one."""
        _, end = self.begins.pop(), self.ends.pop()
        low, high = self.minima.pop(), self.maxima.pop()
        total, count, newest = self.sums.pop(), self.counts.pop(), self.newest.pop()
        self.ends[-1] = end
        self.minima[-1] = min(self.minima[-1], low)
        self.maxima[-1] = max(self.maxima[-1], high)
        self.sums[-1] += total
        self.counts[-1] += count
        self.newest[-1] = _later(self.newest[-1], newest)

    def halve(self) -> None:
        """Make each two neighbours one; their number is even."""
        self.begins = self.begins[::2]
        self.ends = self.ends[1::2]
        self.minima = array("d", map(min, self.minima[::2], self.minima[1::2]))
        self.maxima = array("d", map(max, self.maxima[::2], self.maxima[1::2]))
        self.sums = array("d", map(operator.add, self.sums[::2], self.sums[1::2]))
        self.counts = array("q", map(operator.add, self.counts[::2], self.counts[1::2]))
        self.newest = array("d", map(_later, self.newest[::2], self.newest[1::2]))

    def cut(self, x: float) -> int:
        """Remove the buckets that begin after ``x``, and return how many.

        One that begins before and goes on after ``x`` stays as it is, as if all of its points came up to ``x``.
        """
        kept = bisect_right(self.begins, x)
        removed = len(self) - kept
        for name in self.__slots__:
            del getattr(self, name)[kept:]
        if kept:
            self.ends[-1] = min(self.ends[-1], x)
        return removed

    def followed_by(self, later: Buckets) -> Buckets:
        """Return these buckets and ``later`` ones."""
        joined = Buckets()
        for name in self.__slots__:
            setattr(joined, name, getattr(self, name) + getattr(later, name))
        return joined

    def columns(self, first: float, last: float, width: int) -> Iterator[Column]:
        """Yield the columns, ``width`` of them if none is empty, of the window from ``first`` to ``last``.

        A bucket counts where it begins, and in the first column if that is before the window.
        """
        begins, ends, minima, maxima = self.begins, self.ends, self.minima, self.maxima
        begin = bisect_left(ends, first)
        stop = bisect_right(begins, last)
        for place in range(width):
            end = stop
            if place < width - 1:
                end = bisect_left(begins, first + (last - first) * (place + 1) / width, begin, stop)
            if end == begin:
                continue
            if count := sum(self.counts[begin:end]):
                low, high = min(minima[begin:end]), max(maxima[begin:end])
                mean = sum(self.sums[begin:end]) / count
                # Neither rounding nor a sum that overflows takes a mean out of its range.
                if not low <= mean <= high:
                    mean = low if mean < low else high
                newest = end - 1
                while math.isnan(y := self.newest[newest]):
                    newest -= 1
                yield Column(place, begins[begin], ends[end - 1], low, high, mean, y)
            begin = end


def bucket_each(xs: array[float], ys: array[float]) -> Buckets:
    """Return a bucket for each of the points; arrays that are equal are one, so none of them may be changed."""
    buckets = Buckets()
    buckets.begins = buckets.ends = xs
    buckets.minima = buckets.maxima = buckets.sums = buckets.newest = ys
    buckets.counts = array("q", [1]) * len(ys)
    if math.isnan(sum(ys)):
        buckets.minima, buckets.maxima, buckets.sums = ys[:], ys[:], ys[:]
        for place in [place for place, y in enumerate(ys) if math.isnan(y)]:
            buckets.minima[place] = math.inf
            buckets.maxima[place] = -math.inf
            buckets.sums[place] = 0.0
            buckets.counts[place] = 0
    return buckets


def _later(earlier: float, later: float) -> float:
    return earlier if math.isnan(later) else later
