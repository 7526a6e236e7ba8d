"""The events of a training in words: at most one line for each."""

from __future__ import annotations

import time

from cifar_core.errors import printable
from cifar_core.events import (
    AnyEvent,
    CheckpointSaved,
    EpochCompleted,
    Evaluated,
    LearningRateChanged,
    Names,
    Paused,
    Preparing,
    Resumed,
    RunStarted,
    Warned,
    WeightsLoaded,
)

_MOST_NAMED = 3
"""Names of tensors in one line; the event has more of them."""


class Narrator:
    """Tells a training from its events; remembers what an epoch's line needs of earlier ones."""

    def __init__(self) -> None:
        self._epochs = 0
        self._preparing = ("", "")
        self._evaluated: Evaluated | None = None

    def line(self, event: AnyEvent) -> str | None:
        """Return the printable line for an event; None for those without one, single steps above all."""
        sentence = self._sentence(event)
        return None if sentence is None else printable(sentence)

    def _sentence(self, event: AnyEvent) -> str | None:
        match event:
            case Preparing() if (event.phase, event.subject) != self._preparing:
                self._preparing = (event.phase, event.subject)
                return f"{event.phase} {event.subject}"
            case WeightsLoaded():
                return _loaded(event)
            case RunStarted():
                self._epochs = event.epochs
                return _started(event)
            case Evaluated(extra_test=str(name)):
                return f"extra {name} {100 * event.top1:.2f} % of {sum(event.class_total):,} images"
            case Evaluated():
                self._evaluated = event
            case EpochCompleted():
                return _epoch(event, self._evaluated, self._epochs)
            case Warned():
                return f"warning: {event.message}"
            case Paused():
                return f"paused after step {event.step:,}"
            case Resumed():
                return f"resumed after step {event.step:,}"
            case LearningRateChanged():
                return f"learning rate {event.learning_rate:g} after step {event.step:,}"
        return None


def for_log(event: AnyEvent, line: str | None) -> str | None:
    """Return what a log says of an event whose line is ``line``: that with the local time, and checkpoints too."""
    if isinstance(event, CheckpointSaved):
        line = f"checkpoint after step {event.step:,}{' (best)' if event.best else ''}"
    return line and f"{time.strftime('%H:%M:%S', time.localtime(event.time))} {line}\n"


def _loaded(event: WeightsLoaded) -> str:
    groups = (
        ("of another shape", event.mismatched),
        ("not in them", event.missing),
        ("of no use here", event.skipped),
    )
    told = "".join(f"; {names.count:,} {what} ({_first(names)})" for what, names in groups if names.count)
    return f"{event.loaded:,} tensors from {event.source}{told}"


def _first(names: Names) -> str:
    return ", ".join(names.first[:_MOST_NAMED]) + (", ..." if names.count > _MOST_NAMED else "")


def _started(event: RunStarted) -> str:
    there = f"{event.experiment}: {event.model} ({event.parameters:,} parameters) on {event.device}, "
    if event.resumed_from_step:
        return f"{there}going on after step {event.resumed_from_step:,}"
    return f"{there}{event.epochs} x {event.train_images:,} images"


def _epoch(epoch: EpochCompleted, evaluated: Evaluated | None, epochs: int) -> str:
    parts = [f"epoch {epoch.epoch}/{epochs}", f"step {epoch.step:,}"]
    parts.append(f"loss {'-' if epoch.loss is None else f'{epoch.loss:.3f}'}")
    parts.append(f"acc {100 * epoch.accuracy:.1f} %")
    if evaluated is not None and evaluated.epoch == epoch.epoch:
        parts.append(f"{evaluated.split} {100 * evaluated.top1:.1f} %{' (best)' if evaluated.best else ''}")
    if epoch.images_per_second is not None:
        parts.append(f"{epoch.images_per_second:,.0f} img/s")
    parts.append(f"{epoch.training_seconds + epoch.data_seconds + epoch.evaluation_seconds:.1f} s")
    return "  ".join(parts)
