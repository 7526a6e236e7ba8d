"""How a headless training shows itself: a progress bar, a line for each epoch, or JSON."""

from __future__ import annotations

import os
import time
from typing import Protocol

from tqdm import tqdm

from cifar_core.errors import printable
from cifar_core.events import (
    AnyEvent,
    EpochCompleted,
    Evaluated,
    LearningRateChanged,
    Paused,
    Preparing,
    Resumed,
    RunStarted,
    StepCompleted,
    Warned,
    to_json,
)
from cifar_tui.terminal import Outlet

# Redrawn this often: a bar that changes faster cannot be read, and every redraw takes from the training.
REDRAW_SECONDS = 0.2


class Presenter(Protocol):
    """Shows the events of one training."""

    def show(self, event: AnyEvent) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


def choose(out: Outlet, *, json: bool) -> Presenter:
    """Return the presenter that suits where ``out`` leads; ``json`` asks for events only."""
    if json:
        return Json(out)
    if out.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        return Bar(out)
    return Lines(out)


class Json:
    """One event a line, nothing else."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def show(self, event: AnyEvent) -> None:
        """Write the event's line."""
        self._out.write(to_json(event).decode() + "\n")

    def close(self) -> None:
        """Nothing is open."""


class Lines:
    """Plain lines: what is being prepared, one for each epoch, what was asked for, warnings."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._total_epochs = 0
        self._preparing = ("", "")
        self._evaluated: Evaluated | None = None

    def show(self, event: AnyEvent) -> None:
        """Write the event's line, if it has one."""
        match event:
            case Preparing() if (event.phase, event.subject) != self._preparing:
                self._preparing = (event.phase, event.subject)
                self._write(f"{event.phase} {event.subject}")
            case RunStarted():
                self._total_epochs = event.epochs
                self._write(started(event))
            case Evaluated():
                self._evaluated = event
            case EpochCompleted():
                self._write(epoch_line(event, self._evaluated, self._total_epochs))
            case _:
                if sentence := remark(event):
                    self._write(sentence)

    def close(self) -> None:
        """Nothing is open."""

    def _write(self, line: str) -> None:
        self._out.write(printable(line) + "\n")


class Bar:
    """A progress bar for what goes on, a line above it for each epoch."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._bar: tqdm[None] | None = None
        self._subject = ("", "")
        self._above = Lines(_Above(out))
        self._batch_size = 0
        self._drawn = 0.0
        self._since: list[StepCompleted] = []

    def show(self, event: AnyEvent) -> None:
        """Move the bar, or write a line above it."""
        match event:
            case Preparing():
                self._prepare(event)
            case StepCompleted():
                self._step(event)
            case _:
                if isinstance(event, RunStarted):
                    self._start(event)
                self._above.show(event)

    def close(self) -> None:
        """Leave the last bar standing and the cursor below it."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _prepare(self, event: Preparing) -> None:
        if (event.phase, event.subject) != self._subject or self._bar is None:
            self.close()
            self._subject = (event.phase, event.subject)
            self._bar = tqdm(
                desc=printable(f"{event.phase} {event.subject}"),
                total=event.total,
                unit=event.unit or "it",
                unit_scale=True,
                file=self._out,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.update(event.done - self._bar.n)

    def _start(self, event: RunStarted) -> None:
        self.close()
        self._batch_size = event.batch_size
        self._drawn = time.monotonic()
        self._bar = tqdm(
            total=event.total_steps,
            initial=event.resumed_from_step,
            unit="step",
            file=self._out,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )

    def _step(self, event: StepCompleted) -> None:
        self._since.append(event)
        now = time.monotonic()
        if self._bar is None or now - self._drawn < REDRAW_SECONDS:
            return
        steps, seconds = self._since, now - self._drawn
        self._since, self._drawn = [], now
        losses = [step.loss for step in steps if step.loss is not None]
        loss = f"{sum(losses) / len(losses):.3f}" if losses else "-"
        accuracy = 100 * sum(step.accuracy for step in steps) / len(steps)
        images_per_second = len(steps) * self._batch_size / seconds
        self._bar.set_postfix_str(f"loss {loss}, acc {accuracy:.0f} %, {images_per_second:,.0f} img/s", refresh=False)
        self._bar.update(event.step - self._bar.n)


class _Above(Outlet):
    """Writes whole lines above the bars of the same terminal."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def write(self, text: str, /) -> int:
        tqdm.write(text, file=self._out, end="")
        return len(text)


def started(event: RunStarted) -> str:
    """One line that says what is trained on what."""
    return (
        f"{event.experiment}: {event.model}, {event.parameters:,} parameters, on {event.device}; "
        f"{event.train_images:,} training images, {event.epochs} epochs, {event.total_steps:,} steps"
    )


def epoch_line(epoch: EpochCompleted, evaluated: Evaluated | None, epochs: int) -> str:
    """One line that says what an epoch brought."""
    parts = [f"epoch {epoch.epoch}/{epochs}", f"step {epoch.step:,}"]
    parts.append(f"loss {'-' if epoch.loss is None else f'{epoch.loss:.3f}'}")
    parts.append(f"accuracy {100 * epoch.accuracy:.1f} %")
    if evaluated is not None:
        parts.append(f"{evaluated.split} {100 * evaluated.top1:.1f} %{' (best)' if evaluated.best else ''}")
    if epoch.images_per_second is not None:
        parts.append(f"{epoch.images_per_second:,.0f} images/s")
    parts.append(f"{epoch.training_seconds + epoch.data_seconds + epoch.evaluation_seconds:.1f} s")
    return "  ".join(parts)


def remark(event: AnyEvent) -> str | None:
    """One line for what happens beside the training itself; None for events without one."""
    match event:
        case Warned():
            return f"warning: {event.message}"
        case Paused():
            return f"paused after step {event.step:,}"
        case Resumed():
            return f"resumed after step {event.step:,}"
        case LearningRateChanged():
            return f"learning rate {event.learning_rate:g} after step {event.step:,}"
        case _:
            return None
