"""When the next checkpoint is due."""

from __future__ import annotations

import time
from collections.abc import Callable

# Of the time of a training may go into checkpoints whose number nobody has asked for: a hundredth, less what the
# first and the last one of a short training take.
SHARE = 0.008


class Cadence:
    """Says when a checkpoint is due: after so many epochs, and after so many minutes."""

    def __init__(self, every: int | None, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        self.minutes = minutes
        self._every = every
        self._now = now
        self._since = now()
        self._seconds: float | None = None

    def due_after_epoch(self, epoch: int) -> bool:
        """Whether one is due after the last step of ``epoch``.

        Where no number of epochs was asked for: unless it came so soon after the one before that saving would
        take more than its share of the time. Short epochs are worth less than what it costs to save each.
        """
        if self._every is None:
            return self._seconds is None or self._now() - self._since >= self._seconds / SHARE
        return self._every > 0 and epoch % self._every == 0

    def due(self) -> bool:
        """Whether the minutes have passed."""
        return self._now() - self._since >= 60 * self.minutes

    def saved(self, seconds: float) -> None:
        """Begin to wait anew: saving one took ``seconds``, whether it could be saved or not."""
        self._since = self._now()
        self._seconds = seconds
