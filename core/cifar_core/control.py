"""What may be asked of a running training, from any thread; the trainer obeys before its next step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue


class Request(Enum):
    """A request without a value."""

    PAUSE = auto()
    RESUME = auto()
    TOGGLE_PAUSE = auto()
    CHECKPOINT = auto()
    STOP = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class ChangeLearningRate:
    """Make ``learning_rate`` the new base that the schedule's factor multiplies."""

    learning_rate: float


@dataclass(frozen=True, slots=True)
class ChangeCheckpointMinutes:
    """Save whenever this many minutes have passed since the last checkpoint."""

    minutes: float


AnyRequest = Request | ChangeLearningRate | ChangeCheckpointMinutes


class Control:
    """A mailbox of requests to one training.

    Every method returns at once and may be called from any thread, before, during and after the
    training. What the engine really did comes back as an event (``Paused``, ``Resumed``,
    ``LearningRateChanged``, ``RunFinished``).
    """

    def __init__(self) -> None:
        self._requests: SimpleQueue[AnyRequest] = SimpleQueue()
        self._ending: Request | None = None
        self._stops_after_epoch = False

    def pause(self) -> None:
        """Wait before the next step, until resumed or stopped."""
        self._requests.put(Request.PAUSE)

    def resume(self) -> None:
        """Go on after a pause."""
        self._requests.put(Request.RESUME)

    def toggle_pause(self) -> None:
        """Pause a training that runs, resume one that is paused."""
        self._requests.put(Request.TOGGLE_PAUSE)

    def checkpoint(self) -> None:
        """Save a checkpoint before the next step."""
        self._requests.put(Request.CHECKPOINT)

    def change_learning_rate(self, learning_rate: float) -> None:
        """Make ``learning_rate`` the base rate from the next step on; the schedule still multiplies it.

        Raises:
            ValueError: if it is not a positive, finite number.
        """
        self._requests.put(ChangeLearningRate(_positive("the learning rate", learning_rate)))

    def change_checkpoint_minutes(self, minutes: float) -> None:
        """Save whenever this many minutes have passed since the last checkpoint.

        Raises:
            ValueError: if it is not a positive, finite number.
        """
        self._requests.put(ChangeCheckpointMinutes(_positive("the minutes between checkpoints", minutes)))

    def stop(self) -> None:
        """End the training before its next step, as a run that was stopped on request."""
        self._ending = self._ending or Request.STOP
        self._requests.put(Request.STOP)

    def stop_after_epoch(self) -> None:
        """End the training after the epoch that it is in, as ``stop`` would; one in its last epoch completes.

        A pause stays a pause, and ``stop`` still ends at once.
        """
        self._stops_after_epoch = True

    def close(self) -> None:
        """End the training before its next step and report nothing more: nobody listens any longer."""
        self._ending = Request.CLOSE
        self._requests.put(Request.CLOSE)

    @property
    def pending(self) -> bool:
        """Whether a request waits; cheap enough to ask before every step."""
        return not self._requests.empty()

    @property
    def ending(self) -> Request | None:
        """``STOP`` or ``CLOSE`` once asked for: also seen while data is still being prepared."""
        return self._ending

    @property
    def stops_after_epoch(self) -> bool:
        """Whether the training is to end after the epoch that it is in."""
        return self._stops_after_epoch

    def take(self, *, wait: bool = False) -> AnyRequest | None:
        """The next request, or None when there is none and ``wait`` is false. For the trainer alone."""
        try:
            return self._requests.get(block=wait)
        except Empty:
            return None


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, not {value}")
    return value
