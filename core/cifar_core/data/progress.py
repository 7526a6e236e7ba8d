"""Progress events, few enough to be no burden."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cifar_core.events import Preparing

INTERVAL = 0.1
"""Seconds between two events of one piece of work."""


@dataclass(slots=True)
class Progress:
    """One piece of work; makes an event at most ten times a second, and always the last one."""

    phase: Literal["download", "verify", "decode"]
    subject: str
    unit: Literal["B", "images", ""]
    total: int | None = None
    """In ``unit``; None while unknown."""
    _next: float = field(default=0.0, init=False)

    def at(self, done: int) -> Iterator[Preparing]:
        """Yield an event saying that ``done`` units are done, or nothing when the last event is very recent."""
        now = time.monotonic()
        if done == self.total or now >= self._next:
            self._next = now + INTERVAL
            yield Preparing(
                time=time.time(), phase=self.phase, subject=self.subject, done=done, total=self.total, unit=self.unit
            )
