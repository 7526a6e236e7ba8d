"""How far a training has come, and what its current epoch adds up to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cifar_core.clock import Clock, Phase
from cifar_core.events import EpochCompleted, StepCompleted

PHASES: tuple[Phase, ...] = ("training", "evaluation", "data")


ADVICE = "try a lower optimizer.lr, a longer schedule.warmup_epochs or training.clip_norm=1"


class Diverged(Exception):
    """A loss was not a finite number."""


@dataclass(slots=True)
class Progress:
    """How far a training has come."""

    epoch: int = 0
    step: int = 0
    in_epoch: bool = False
    """Whether the epoch has begun and is not summed up yet."""
    evaluated_step: int = -1
    """After which the newest evaluation between steps or epochs was made."""
    tested_step: int = -1
    """After which the newest evaluation on the test images was made."""
    base_rate: float = 0.0
    """That the schedule multiplies."""
    checkpoints: int = 0
    """Begun so far, the one that holds this included."""
    epoch_images: int = 0
    epoch_loss: float = 0.0
    epoch_accuracy: float = 0.0
    """Of the steps of this epoch: the number of their images, and sums over these."""
    best_top1: float | None = None
    best_kept: float | None = None
    """What the checkpoint called best came to; lower than ``best_top1`` where a better one could not be saved."""
    evaluations_since_best: int = 0
    """On the validation images."""
    final_top1: float | None = None
    extra_top1: dict[str, float] = field(default_factory=dict)
    """Of each extra test set that was evaluated on so far, after the last step."""
    final_loss: float | None = None
    checkpoint: str | None = None
    """The file of the last one; the only field that is not kept in it."""


class Epoch:
    """One epoch, begun or gone on with: sums over its steps, each step passed on as it is counted.

    The sums are kept in the progress, and so in checkpoints; the seconds are those of this process.
    """

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress
        self._before: dict[Phase, float] = {phase: clock.seconds(phase) for phase in PHASES}
        if not progress.in_epoch:
            progress.epoch += 1
            progress.in_epoch = True
            progress.epoch_images, progress.epoch_loss, progress.epoch_accuracy = 0, 0.0, 0.0
        if clock.rating:
            clock.rate_from_here()

    def report(self, steps: Iterable[tuple[StepCompleted, int]]) -> Iterator[StepCompleted]:
        """Pass on the steps' events.

        Args:
            steps: Each event with the number of images in its batch.

        Raises:
            Diverged: After the first step whose loss is not finite.
        """
        for event, images in steps:
            yield event
            if event.loss is None:
                # Steps behind this one were made before it was known, and mean nothing.
                self._progress.step = event.step
                raise Diverged(f"the loss was not a finite number at step {event.step}; {ADVICE}")
            self._progress.epoch_images += images
            self._progress.epoch_loss += event.loss * images
            self._progress.epoch_accuracy += event.accuracy * images
            self._clock.count(images)
        if not self._clock.rating:
            # The first block of steps is over: allocations, kernel choices and caches are made.
            self._clock.rate_from_here()

    def completed(self) -> EpochCompleted:
        """The event that sums the epoch up, after its last step was passed on."""
        self._progress.in_epoch = False
        self._progress.final_loss = self._progress.epoch_loss / self._progress.epoch_images
        return EpochCompleted(
            time=time.time(),
            epoch=self._progress.epoch,
            step=self._progress.step,
            loss=self._progress.final_loss,
            accuracy=self._progress.epoch_accuracy / self._progress.epoch_images,
            training_seconds=self._spent("training"),
            evaluation_seconds=self._spent("evaluation"),
            data_seconds=self._spent("data"),
            images_per_second=self._clock.images_per_second(),
        )

    def _spent(self, phase: Phase) -> float:
        return self._clock.seconds(phase) - self._before[phase]
