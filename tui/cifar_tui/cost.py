"""What a thread takes of the machine: for the screens, which are to take little."""

from __future__ import annotations

import time
from collections import deque

_MARKS = 8


class Cost:
    """Measures the thread that asks, from one asking to the next."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float]] = deque(maxlen=_MARKS)

    def share(self) -> float | None:
        """Return the CPU time since some askings ago as a share of one core; None at the first asking."""
        now = time.monotonic(), time.thread_time()
        then = self._marks[0] if self._marks else None
        self._marks.append(now)
        return None if then is None or now[0] <= then[0] else (now[1] - then[1]) / (now[0] - then[0])
