"""How a headless training shows itself: a progress bar, a line for each epoch, or JSON."""

from __future__ import annotations

import os
import time
from typing import NoReturn, Protocol

from tqdm import tqdm

from cifar_core.errors import printable
from cifar_core.events import (
    AnyEvent,
    Evaluated,
    Preparing,
    Resumed,
    RunFinished,
    RunStarted,
    StepCompleted,
    to_json,
)
from cifar_tui.narration import Narrator
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
        """Write the event's line, in UTF-8 whatever the terminal speaks: JSON knows nothing else."""
        self._out.write_bytes(to_json(event) + b"\n")

    def close(self) -> None:
        """Nothing is open."""


class Lines:
    """Plain lines: what is being prepared, one for each epoch, what was asked for, warnings."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._narrator = Narrator()

    def show(self, event: AnyEvent) -> None:
        """Write the event's line, if it has one."""
        if line := self._narrator.line(event):
            self._out.say(line)

    def close(self) -> None:
        """Nothing is open."""


class Bar:
    """A progress bar for what goes on, the plain lines above it."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._narrator = Narrator()
        self._bar: tqdm[NoReturn] | None = None
        self._subject = ("", "")
        self._batch_size = 0
        self._drawn = 0.0
        self._rated_from = 0.0
        self._since: list[StepCompleted] = []

    def show(self, event: AnyEvent) -> None:
        """Move the bar, or write a line above it."""
        match event:
            case Preparing():
                self._prepare(event)
            case RunStarted():
                self._start(event)
            case StepCompleted():
                self._since.append(event)
                if time.monotonic() - self._drawn >= REDRAW_SECONDS:
                    self._draw()
            case Evaluated() | Resumed() | RunFinished():
                self._draw()
                self._rated_from = event.time  # what came before was no training
        if line := self._narrator.line(event):
            self._out.keep(f"{line}\n")
            if not isinstance(event, Preparing):  # whose bar says the same
                tqdm.write(line, file=self._out)

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
                initial=event.done,
                total=event.total,
                unit=event.unit or "it",
                unit_scale=True,
                file=self._out,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.total = event.total
        self._bar.update(event.done - self._bar.n)

    def _start(self, event: RunStarted) -> None:
        self.close()
        self._batch_size = event.batch_size
        self._rated_from = event.time
        self._since = []
        self._bar = tqdm(
            total=event.total_steps,
            file=self._out,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )

    def _draw(self) -> None:
        """Bring the bar up to the last step, with the figures of those since it was drawn before."""
        steps, self._since = self._since, []
        self._drawn = time.monotonic()
        if self._bar is None or not steps:
            return
        seconds = max(steps[-1].time - self._rated_from, 1e-9)
        self._rated_from = steps[-1].time
        losses = [step.loss for step in steps if step.loss is not None]
        loss = f"{sum(losses) / len(losses):.3f}" if losses else "-"
        accuracy = 100 * sum(step.accuracy for step in steps) / len(steps)
        images_per_second = len(steps) * self._batch_size / seconds
        self._bar.set_postfix_str(f"loss {loss}, acc {accuracy:.0f} %, {images_per_second:,.0f} img/s", refresh=False)
        self._bar.update(steps[-1].step - self._bar.n)
