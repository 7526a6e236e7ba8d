"""How fast the steps of a training are made, and what they cost besides, told by its events alone."""

from __future__ import annotations

import math
from collections import deque

WINDOW_SECONDS = 10.0
ENOUGH_SECONDS = 1.0
_MARK_SECONDS = 0.25


class Pace:
    """Measures steps for each second of training, over the newest ten seconds or so of it.

    Time is that of the step events, from which all is taken that was no training: the seconds that evaluations and
    checkpoints say they took, and those from each pause to its end. What is left runs on only while steps are made;
    every quarter of a second of it a mark (that time, the step) is kept, and the rate is that from the oldest mark
    of the window to the newest step. The first step begins the measuring, so that what comes before it does not
    count. Nothing here asks for the time: a run that is read back has the pace that it had.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        self._earliest = math.inf
        """No step can come before this, unless the clock was set back."""
        self._due = -math.inf
        """When the next mark is to be made."""
        self._active = 0.0
        """Time of the newest step, without all that was no training."""
        self._step = 0
        self._first_step: int | None = None
        self._idle = 0.0
        """Seconds that were no training."""
        self._overhead = 0.0
        """Those of them that more steps will bring more of: all but the pauses."""
        self._paused_at: float | None = None

    def step(self, step: int, time: float) -> None:
        """Count one step, made at ``time``."""
        self._active = active = time - self._idle
        self._step = step
        if not self._earliest <= active < self._due:
            self._mark(active, step)

    def interrupted(self, seconds: float) -> None:
        """Leave out an evaluation or a checkpoint; one within a pause is left out with that."""
        if self._paused_at is None:
            self._idle += seconds
            self._overhead += seconds

    def paused(self, time: float) -> None:
        """Leave out what comes until ``resumed``."""
        self._paused_at = time

    def resumed(self, time: float) -> None:
        """Count again."""
        if self._paused_at is not None:
            self._idle += max(time - self._paused_at, 0.0)
            self._paused_at = None

    @property
    def steps_per_second(self) -> float | None:
        """None until a second of training has been seen."""
        if not self._marks:
            return None
        then, step = self._marks[0]
        seconds = self._active - then
        return (self._step - step) / seconds if seconds >= ENOUGH_SECONDS else None

    def seconds_for(self, steps: int) -> float | None:
        """How long so many more steps take, with evaluations and checkpoints as often as so far.

        None as long as the rate is.
        """
        rate = self.steps_per_second
        if not rate or self._first_step is None:
            return None
        return steps * (1 / rate + self._overhead / (self._step - self._first_step))

    def _mark(self, active: float, step: int) -> None:
        if self._first_step is None:
            self._first_step = step
        if active < self._earliest:
            self._marks.clear()
        self._marks.append((active, step))
        while len(self._marks) > 1 and self._marks[1][0] <= active - WINDOW_SECONDS:
            self._marks.popleft()
        self._earliest = active - ENOUGH_SECONDS
        self._due = active + _MARK_SECONDS
