"""Where the time of a training goes: training, evaluation, data and pause, each kept apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

Phase = Literal["preparing", "training", "evaluation", "data", "paused"]


class Clock:
    """Charges every second to exactly one phase, and measures the rate of images without the warm-up.

    The idea is big_vision's ``Chrono``: a rate that counts evaluation, pauses or the first, slow steps
    says nothing about the speed of training.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._since = now()
        self._phase: Phase = "preparing"
        self._seconds: dict[Phase, float] = dict.fromkeys(
            ("preparing", "training", "evaluation", "data", "paused"), 0.0
        )
        self._rated_from: float | None = None
        self._rated_images = 0

    def enter(self, phase: Phase) -> Phase:
        """Charge the time since the last change to the phase that ends here; return that phase."""
        now = self._now()
        self._seconds[self._phase] += now - self._since
        self._since = now
        left, self._phase = self._phase, phase
        return left

    def seconds(self, phase: Phase) -> float:
        """Seconds charged to ``phase`` so far, those of a phase still going on included."""
        running = self._now() - self._since if phase == self._phase else 0.0
        return self._seconds[phase] + running

    def spent(self) -> dict[str, float]:
        """Seconds charged to each phase so far, for another clock to go on from."""
        return {phase: self.seconds(phase) for phase in self._seconds}

    def go_on_from(self, spent: Mapping[str, float]) -> None:
        """Count the seconds that another clock had charged as well, but those of its preparing."""
        for phase in self._seconds:
            self._seconds[phase] += spent[phase] if phase != "preparing" else 0.0

    @property
    def rating(self) -> bool:
        """Whether the rate is being measured: the warm-up is over."""
        return self._rated_from is not None

    def rate_from_here(self) -> None:
        """Start measuring the rate anew: the warm-up is over, or an epoch is."""
        self._rated_from = self.seconds("training") + self.seconds("data")
        self._rated_images = 0

    def count(self, images: int) -> None:
        """Count ``images`` that were trained on; those before the first ``rate_from_here`` are warm-up."""
        if self._rated_from is not None:
            self._rated_images += images

    def images_per_second(self) -> float | None:
        """Images for each second of training and data time since ``rate_from_here``; None while none count."""
        if self._rated_from is None or self._rated_images == 0:
            return None
        spent = self.seconds("training") + self.seconds("data") - self._rated_from
        return self._rated_images / spent if spent > 0 else None
