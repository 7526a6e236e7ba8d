"""Which steps a chart shows: all, the newest, or some that were zoomed and panned to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

RECENT_STEPS = 2000
RECENT_SHARE = 0.1
_NARROWEST = 10.0


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the steps. With ``end`` None it follows the newest step, with ``span`` None it has its usual width."""

    recent: bool = False
    span: float | None = None
    end: float | None = None

    @property
    def words(self) -> str:
        """What a title says of it; nothing of the whole."""
        if self.span is None and self.end is None:
            return "recent" if self.recent else ""
        return "zoomed"

    def steps(self, newest: int, total: int) -> tuple[float, float]:
        """Return the first and the last step in sight.

        Where it follows the newest step, the end lies up to an eighth beyond it: it moves seldom, and a chart whose
        window stands still has little to repaint.
        """
        span = self.span or (max(RECENT_STEPS, newest * RECENT_SHARE) if self.recent else None)
        if span is None or (self.end is None and span >= newest):
            unit = 2.0 ** max(math.floor(math.log2(max(newest, 1))) - 3, 0)
            end = max(_up(newest, unit), 1.0)
            return 0.0, min(end, total) if total >= newest > 0 else end
        span = 2.0 ** math.ceil(math.log2(span)) if self.span is None else span
        end = _up(newest, span / 8) if self.end is None else self.end
        if total >= newest and self.end is None:
            end = min(end, float(total))
        return max(end - span, 0.0), max(end, span)

    def zoomed(self, factor: float, newest: int, total: int) -> Window:
        """Return a window ``factor`` times as wide about the same centre, or about the same end if it follows that.

        One that would be wider than all there is becomes the whole.
        """
        first, last = self.steps(newest, total)
        span = max((last - first) * factor, _NARROWEST)
        if span >= max(newest, _NARROWEST):
            return Window()
        end = None if self.end is None else max((first + last) / 2 + span / 2, span)
        return replace(self, span=span, end=end if end is not None and end < newest else None)

    def panned(self, share: float, newest: int, total: int) -> Window:
        """Return a window moved by a share of its width; one that comes to the newest step follows it again."""
        first, last = self.steps(newest, total)
        span = last - first
        end = max(last + share * span, span)
        if end >= newest:
            return replace(self, end=None)
        return replace(self, span=span, end=end)


def _up(value: float, unit: float) -> float:
    return math.ceil(value / unit) * unit
