"""What the events of one run come to: its newest state, and its figures as series that do not grow with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cifar_core.events import (
    AnyEvent,
    CheckpointSaved,
    EpochCompleted,
    Evaluated,
    Paused,
    Preparing,
    Resumed,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
    Warned,
)
from cifar_experiments.history import classes
from cifar_experiments.history.classes import ClassAccuracy, Confused
from cifar_experiments.history.pace import Pace
from cifar_experiments.history.series import Series

MOST_WARNINGS = 200
MOST_EPOCHS = 10_000


@dataclass(frozen=True, slots=True)
class GpuSeries:
    """One GPU over time, in seconds since 1970; what its driver does not tell is a gap."""

    name: str
    utilisation: Series = field(default_factory=Series)
    """Share, 0 to 1."""
    memory: Series = field(default_factory=Series)
    """Share, 0 to 1."""
    power: Series = field(default_factory=Series)
    """Watts."""
    temperature: Series = field(default_factory=Series)
    """Degrees Celsius."""


class History:
    """Takes in the events of one run, in order, whether they come live or from its file.

    Its attributes are what screens show. Unless said otherwise they are None, or empty, before they are known, and
    only ``apply`` changes them.
    """

    def __init__(self) -> None:
        self.version = 0
        """Changes with every event."""
        self.preparing: Preparing | None = None
        """The newest; None again once the run has started."""
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.paused = False
        self.step = 0
        """The newest that was made."""
        self.epoch = 0
        """That it belongs to."""
        self.epochs: deque[EpochCompleted] = deque(maxlen=MOST_EPOCHS)
        self.warnings: deque[Warned] = deque(maxlen=MOST_WARNINGS)

        self.loss = Series()
        self.accuracy = Series()
        """Of each training batch, over steps; so are the other figures here."""
        self.learning_rates = Series()
        self.gradient_norm = Series()
        """Empty unless the run measures it."""
        self.val_loss = Series()
        self.val_accuracy = Series()
        self.test_loss = Series()
        self.test_accuracy = Series()

        self.evaluation: Evaluated | None = None
        """The newest on the validation images; where none was made on these, the newest on the test images."""
        self.evaluation_before: Evaluated | None = None
        """The one before it, on the same images."""
        self.checkpoints: dict[Literal["last", "best"], CheckpointSaved] = {}

        self.system: SystemSampled | None = None
        """The newest sample."""
        self.process_cpu = Series()
        """Cores kept busy, over time in seconds since 1970."""
        self.process_memory = Series()
        """Bytes, over the same."""
        self.gpus: dict[int, GpuSeries] = {}
        """By their index, those that were ever seen."""

        self._over_steps = (
            *(self.loss, self.accuracy, self.learning_rates, self.gradient_norm),
            *(self.val_loss, self.val_accuracy, self.test_loss, self.test_accuracy),
        )
        self._sampled = 0.0
        self._bests: list[tuple[int, float]] = []
        self._pace = Pace()

    def apply(self, event: AnyEvent) -> None:
        """Take in the next event."""
        self.version += 1
        match event:
            case StepCompleted():
                step = self.step = event.step
                self.epoch = event.epoch
                self.loss.append(step, event.loss)
                self.accuracy.append(step, event.accuracy)
                self.learning_rates.append(step, event.learning_rate)
                # None too where it is not asked for: a gap only among others.
                if event.gradient_norm is not None or self.gradient_norm:
                    self.gradient_norm.append(step, event.gradient_norm)
                self._pace.step(step, event.time)
            case SystemSampled():
                self._sample(event)
            case EpochCompleted():
                if self.epochs and self.epochs[-1].epoch == event.epoch:  # gone on with from just before its end
                    self.epochs.pop()
                self.epochs.append(event)
            case Evaluated():
                self._pace.interrupted(event.seconds)
                self._evaluate(event)
            case CheckpointSaved():
                self._pace.interrupted(event.seconds)
                self.checkpoints["last"] = event
                if event.best:
                    self.checkpoints["best"] = event
            case Paused():
                self.paused = True
                self._pace.paused(event.time)
            case Resumed():
                self.paused = False
                self._pace.resumed(event.time)
            case Warned():
                self.warnings.append(event)
            case Preparing():
                self.preparing = event
            case RunStarted():
                self._start(event)
            case RunFinished():
                self.finished = event
                self.paused = False

    @property
    def learning_rate(self) -> float | None:
        """That the newest step was made with."""
        return self.learning_rates.newest

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and top-1 accuracy of the best evaluation on the validation images."""
        return self._bests[-1] if self._bests else None

    @property
    def steps_per_second(self) -> float | None:
        """Over the newest ten seconds or so of training; see ``Pace``."""
        return self._pace.steps_per_second

    @property
    def images_per_second(self) -> float | None:
        """Training images, over the same seconds."""
        rate = self.steps_per_second
        if rate is None or self.started is None:
            return None
        # The last batch of an epoch may be smaller, or left out.
        return rate * min(self.started.train_images / self.started.steps_per_epoch, self.started.batch_size)

    @property
    def seconds_left(self) -> float | None:
        """Until the last step, evaluations and checkpoints included, pauses not; None too once the run has ended."""
        if self.started is None or self.finished is not None:
            return None
        return self._pace.seconds_for(max(self.started.total_steps - self.step, 0))

    def per_class(self) -> list[ClassAccuracy]:
        """Return each class as the newest evaluation found it, the best first."""
        if self.evaluation is None:
            return []
        return classes.per_class(self.evaluation, self.evaluation_before, self._names())

    def most_confused(self, limit: int) -> list[Confused]:
        """Return what the newest evaluation took for something else, the most frequent first, at most ``limit``."""
        return [] if self.evaluation is None else classes.most_confused(self.evaluation, self._names(), limit)

    def _start(self, event: RunStarted) -> None:
        """Begin, or go on: what a follower has seen of later steps is then taken back."""
        self.preparing = self.finished = None
        self.paused = False
        self.started = event
        self.step = last = event.resumed_from_step
        self.epoch = -(-last // event.steps_per_epoch)
        self._pace = Pace()
        for series in self._over_steps:
            series.cut(last)
        while self.epochs and self.epochs[-1].step > last:
            self.epochs.pop()
        while self._bests and self._bests[-1][0] > last:
            self._bests.pop()
        kept = [shown for shown in (self.evaluation, self.evaluation_before) if shown and shown.step <= last]
        self.evaluation, self.evaluation_before, *_ = (*kept, None, None)
        self.checkpoints = {kind: saved for kind, saved in self.checkpoints.items() if saved.step <= last}

    def _evaluate(self, event: Evaluated) -> None:
        if event.split not in ("val", "test"):  # steps tell of training images, and the end of extra test sets
            return
        on_val = event.split == "val"
        (self.val_loss if on_val else self.test_loss).append(event.step, event.loss)
        (self.val_accuracy if on_val else self.test_accuracy).append(event.step, event.top1)
        if event.best:
            self._bests.append((event.step, event.top1))
        shown = self.evaluation
        if shown is None or (on_val and shown.split == "test"):
            self.evaluation, self.evaluation_before = event, None
        elif shown.split == event.split:
            # Training that goes on from just before an evaluation makes it a second time.
            if shown.step < event.step:
                self.evaluation_before = shown
            self.evaluation = event

    def _sample(self, event: SystemSampled) -> None:
        self.system = event
        # A clock that is set back does not turn the series back.
        time = self._sampled = max(self._sampled, event.time)
        self.process_cpu.append(time, event.process_cpu)
        self.process_memory.append(time, event.process_memory)
        for gpu in event.gpus:
            if gpu.index not in self.gpus:
                self.gpus[gpu.index] = GpuSeries(gpu.name)
            over_time = self.gpus[gpu.index]
            over_time.utilisation.append(time, gpu.utilisation)
            over_time.memory.append(time, _share(gpu.memory_used, gpu.memory_total))
            over_time.power.append(time, gpu.power)
            over_time.temperature.append(time, gpu.temperature)

    def _names(self) -> Sequence[str]:
        return self.started.classes if self.started else ()


def _share(part: int | None, whole: int | None) -> float | None:
    """None where either is not known, and of nothing."""
    return part / whole if part is not None and whole else None
