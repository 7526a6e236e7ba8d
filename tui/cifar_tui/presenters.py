"""How a training shows itself to people without screens: a progress bar, or a line for each epoch."""

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
)
from cifar_tui.narration import Narrator, for_log
from cifar_tui.outlet import Outlet

# Redrawn this often: a bar that changes faster cannot be read, and every redraw takes from the training.
REDRAW_SECONDS = 0.2


class Presenter(Protocol):
    """Shows the events of one training."""

    def show(self, event: AnyEvent) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


def choose(out: Outlet) -> Presenter:
    """Return the presenter that suits where ``out`` leads."""
    if out.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        return Bar(out)
    return Lines(out)


class Lines:
    """Plain lines: what is being prepared, one for each epoch, what was asked for, warnings."""

    def __init__(self, out: Outlet) -> None:
        self._out = out
        self._narrator = Narrator()

    def show(self, event: AnyEvent) -> None:
        """Write the event's line, if it has one."""
        line = self._narrator.line(event)
        if line:
            self._out.write(f"{line}\n")
        self._out.keep(for_log(event, line) or "")

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
        self._count_anew()

    def show(self, event: AnyEvent) -> None:
        """Move the bar, or write a line above it."""
        match event:
            case Preparing():
                self._prepare(event)
            case RunStarted():
                self._start(event)
            case StepCompleted():
                self._count(event)
                # A terminal that has stopped reading is to find the bar as it is then, not all that it was.
                if time.monotonic() - self._drawn >= REDRAW_SECONDS and not self._out.behind:
                    self._draw()
            case Evaluated() | Resumed() | RunFinished():
                self._draw()
                self._rated_from = event.time  # what came before was no training
        line = self._narrator.line(event)
        self._out.keep(for_log(event, line) or "")
        if line and not isinstance(event, Preparing):  # whose bar says the same
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
        self._draw()
        self.close()
        self._batch_size = event.batch_size
        self._rated_from = event.time
        self._count_anew()
        self._bar = tqdm(
            total=event.total_steps,
            file=self._out,
            dynamic_ncols=True,
            initial=event.resumed_from_step,
            smoothing=0,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )
        # Of a run that is followed from its history on, the time so far was longer than it took to read it.
        self._bar.start_t = event.time

    def _count_anew(self) -> None:
        self._last: StepCompleted | None = None
        self._steps = self._losses = 0
        self._accuracy = self._loss = 0.0

    def _count(self, step: StepCompleted) -> None:
        """Add a step to those since the bar was drawn: sums, as they can be those of days."""
        self._last = step
        self._steps += 1
        self._accuracy += step.accuracy
        if step.loss is not None:
            self._losses += 1
            self._loss += step.loss

    def _draw(self) -> None:
        """Bring the bar up to the last step, with the figures of those since it was drawn before."""
        self._drawn = time.monotonic()
        if self._bar is not None and self._last is not None:
            seconds = max(self._last.time - self._rated_from, 1e-9)
            self._rated_from = self._last.time
            loss = f"{self._loss / self._losses:.3f}" if self._losses else "-"
            accuracy = 100 * self._accuracy / self._steps
            rate = self._steps * self._batch_size / seconds
            self._bar.set_postfix_str(f"loss {loss}, acc {accuracy:.0f} %, {rate:,.0f} img/s", refresh=False)
            self._bar.update(self._last.step - self._bar.n)
        self._count_anew()
