"""A figure over steps or time in bounded memory, and what a chart of any width shows of it."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right

from cifar_experiments.history.buckets import Buckets, View, bucket_each

CAPACITY = 4096


class Series:
    """Points (x, y) of which the newest are kept in full, and all of them in a bounded number of buckets.

    ``x`` is a step or a time and never decreases. ``y`` may be None, infinite or NaN, each of which is a gap.
    Buckets hold equally many points; when they are full, each two neighbours become one. So memory stays the same
    however long a run is, a chart of the whole run never misses an extreme, and what is seen does not depend on when
    it was looked at.

    Args:
        capacity: How many of the newest points are kept in full, and how many buckets there may be; a power of two.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._xs = array("d")
        self._ys = array("d")
        self._forgotten = 0
        """How many points are no longer kept in full."""
        # Points go into buckets by the block, which costs less than one by one.
        self._block = max(capacity // 16, 1)
        self._in_buckets = 0
        """How many of the points kept in full, the oldest, are in buckets already."""
        self._due = self._block
        """How many points kept in full make the next block whole."""
        self._buckets = Buckets()
        self._bucket_size = self._first_size
        self._filled = 0
        """Points in the last bucket."""
        self._taken_back = 0
        """What the version is ahead of the length since points were taken back."""

    @property
    def _first_size(self) -> int:
        # As long as all points are kept in full, nobody looks at buckets: so they begin at more than one point.
        return max(self._capacity // 512, 1)

    def append(self, x: float, y: float | None) -> None:
        """Add a point, behind all others."""
        self._xs.append(x)
        # What is infinite or NaN is not 0 away from itself.
        self._ys.append(y if y is not None and y - y == 0.0 else math.nan)
        if len(self._ys) == self._due:
            self._fill_buckets()

    def cut(self, x: float) -> None:
        """Take back the points behind ``x``.

        As long as all points are kept in full, this leaves no trace of them. Later a bucket that holds points on both
        sides of ``x`` stays whole, since it cannot be told apart any more: fewer points than it holds go on
        counting, as if they had come at ``x``.
        """
        length = len(self)
        kept = bisect_right(self._xs, x)
        del self._xs[kept:], self._ys[kept:]
        if self._buckets.cut(x if self._forgotten else -math.inf):
            self._filled = self._bucket_size
        self._in_buckets = min(self._in_buckets, kept)
        if not self._buckets:
            self._in_buckets, self._filled, self._bucket_size = 0, 0, self._first_size
        self._forgotten = max(len(self._buckets) - 1, 0) * self._bucket_size + self._filled - self._in_buckets
        self._due = self._in_buckets + self._block
        while len(self._ys) >= self._due:
            self._fill_buckets()
        self._taken_back += length - len(self) + 1

    def view(self, first: float, last: float, columns: int) -> View:
        """Return what ``columns`` columns show of the window from ``first`` to ``last``, both included.

        The newest points, and a series that is not longer than they are, are seen in full. Of a window that begins
        before them, buckets are seen, each where it begins, with all of its points: a column may then tell of points
        that are less than a bucket away from it, but none is missing. A window of one x is its first column. Where
        ``last`` is before ``first``, or there are no columns, nothing is seen.
        """
        if columns < 1 or last < first or not len(self):
            return View(first, last, columns, ())
        in_full = not self._forgotten or (self._xs and first > self._xs[0])
        buckets = bucket_each(self._xs, self._ys) if in_full else self._whole()
        return View(first, last, columns, tuple(buckets.columns(first, last, columns if first < last else 1)))

    @property
    def version(self) -> int:
        """Changes whenever the series does."""
        return len(self) + self._taken_back

    @property
    def extent(self) -> tuple[float, float] | None:
        """First and last x; None where there are no points."""
        if not len(self):
            return None
        first = self._buckets.begins[0] if self._buckets else self._xs[0]
        return first, self._xs[-1] if self._xs else self._buckets.ends[-1]

    @property
    def newest(self) -> float | None:
        """Y of the newest point; None where that is a gap, and where there are no points."""
        y = self._ys[-1] if self._ys else self._buckets.newest[-1] if self._buckets else math.nan
        return None if math.isnan(y) else y

    @property
    def gaps(self) -> int:
        """How many points are gaps."""
        values = sum(self._buckets.counts) + sum(y == y for y in self._ys[self._in_buckets :])
        return len(self) - values

    def __len__(self) -> int:
        """Return the number of points, gaps included."""
        return self._forgotten + len(self._ys)

    def _fill_buckets(self) -> None:
        """Put the newest block of points into buckets, and let go of the oldest that is kept in full."""
        begin = self._in_buckets
        while begin < self._due:
            if self._filled == self._bucket_size and len(self._buckets) == self._capacity:
                self._buckets.halve()
                self._bucket_size *= 2
                self._filled = self._bucket_size
            end = begin + min(self._bucket_size, self._block)
            self._buckets.add(self._xs[begin:end], self._ys[begin:end])
            if 0 < self._filled < self._bucket_size:
                self._buckets.merge_last()
                self._filled += end - begin
            else:
                self._filled = end - begin
            begin = end
        surplus = max(self._due - self._capacity, 0)
        del self._xs[:surplus], self._ys[:surplus]
        self._forgotten += surplus
        self._in_buckets = self._due - surplus
        self._due = self._in_buckets + self._block

    def _whole(self) -> Buckets:
        """All points: in buckets, the newest few as they are."""
        return self._buckets.followed_by(bucket_each(self._xs[self._in_buckets :], self._ys[self._in_buckets :]))


def smoothed(view: View, factor: float) -> list[float]:
    """Return the exponentially smoothed means of the view's columns; ``factor`` 0 leaves them as they are.

    A column that ends n steps after the one before it counts as n steps at its mean m, which takes the usual average
    ``s <- factor * s + (1 - factor) * m``, made n times, to ``s <- factor**n * s + (1 - factor**n) * m``. The first
    one's n is its own length. As s begins at 0, it is divided by the weight that it has come to, 1 - factor**(all
    steps so far): so it begins anew with each view. One factor gives nearly the same curve however many steps a
    column stands for. Over time a second takes the place of a step.

    For columns of one step each this is TensorBoard's smoothing (``classicSmoothing`` in its
    ``line_chart_v2/data_transformer.ts``), whose bias correction is that of Adam (Kingma and Ba, 2015,
    https://arxiv.org/abs/1412.6980, section 3).

    Raises:
        ValueError: ``factor`` is not at least 0 and below 1.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"a smoothing factor is at least 0 and below 1, not {factor}")
    average = weight = 0.0
    curve = []
    # The first column's first step is a step too.
    before = view.columns[0].begin - 1 if view.columns else 0.0
    for column in view.columns:
        # Only where x stands still does a column end where the one before it does.
        kept = factor ** (column.end - before or 1.0)
        average = kept * average + (1 - kept) * column.mean
        weight = kept * weight + (1 - kept)
        curve.append(average / weight)
        before = column.end
    return curve
