"""A run as a screen sees it, whether it is trained in this process or elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Protocol

from cifar_core.events import AnyEvent
from cifar_experiments.history import History
from cifar_experiments.live.protocol import AnyLiveRequest
from cifar_experiments.runs import Run


class Watched(Protocol):
    """What a screen may ask of a run that it shows."""

    record: Record
    trained_here: bool
    """Whether it is trained by this process, and so ends with it."""

    @property
    def run(self) -> Run:
        """Its folder."""

    @property
    def status(self) -> str:
        """One word or a few: "waiting", "starting", "running", "paused", "completed", "crashed" and so on."""

    @property
    def ended(self) -> bool:
        """Whether no event comes any more."""

    @property
    def error(self) -> str | None:
        """A printable sentence, where it failed or can no longer be followed."""

    async def ask(self, request: AnyLiveRequest) -> None:
        """Have a request taken in; what was done comes as an event.

        Raises:
            CifarError: It was not.
        """

    def leave(self) -> None:
        """Say that the screen looks no longer."""


class Record:
    """A run's history, which one thread brings up to date and another one reads."""

    def __init__(self) -> None:
        self._history = History()
        self._lock = threading.Lock()

    def apply(self, events: Iterable[AnyEvent]) -> None:
        """Take in events; short calls, so that whoever reads waits little."""
        with self._lock:
            for event in events:
                self._history.apply(event)

    @contextlib.contextmanager
    def reading(self) -> Iterator[History]:
        """Give the history, which stays as it is meanwhile: to be left soon."""
        with self._lock:
            yield self._history


def status_of(history: History) -> str:
    """Return how far a run has come, by its events alone."""
    if history.finished is not None:
        return "completed early" if history.finished.early else history.finished.reason
    if history.paused:
        return "paused"
    if history.started is not None:
        return "running"
    return "preparing" if history.preparing is not None else "starting"
