"""How a training ended, in words and as an exit code."""

from __future__ import annotations

from cifar_core.errors import printable
from cifar_core.events import AnyEvent, CheckpointSaved, CheckpointStarted, Evaluated, RunFinished, RunStarted
from cifar_experiments.runs import Run, called
from cifar_tui import summary
from cifar_tui.outlet import Outlet

COMPLETED = 0
FAILED = 4


class Outcome:
    """What is to be known of a training when it has ended."""

    def __init__(self) -> None:
        self.finished: RunFinished | None = None
        self._begun: RunStarted | None = None
        self._evaluated: Evaluated | None = None
        self._checkpoint: str | None = None
        self._unsaved = False

    def note(self, event: AnyEvent) -> None:
        """Take in one event."""
        match event:
            case RunStarted():
                self._begun, self.finished = event, None
                self._checkpoint, self._unsaved = event.checkpoint, False
            case Evaluated() if event.split != "extra":
                self._evaluated = event
            case CheckpointStarted():
                self._unsaved = True
            case CheckpointSaved():
                self._unsaved, self._checkpoint = False, event.path
            case RunFinished():
                self.finished, self._checkpoint = event, event.checkpoint

    @property
    def code(self) -> int:
        """The exit code that it deserves."""
        return FAILED if self._fault() else COMPLETED

    def tell(self, run: Run, error: str | None, out: Outlet, err: Outlet, *, json: bool) -> None:
        """Say how it ended, and how it can go on; ``error`` says what it failed for, if it did."""
        if self.finished is not None and error is None and not json:
            summary.write(out, self._begun, self._evaluated, self.finished)
        what = error or self._fault()
        resume = f"cifar-tui --no-tui --resume {printable(called(run))}"
        if what and self._checkpoint is not None:
            what += f"; the last good checkpoint is {self._checkpoint}, from which {resume} goes on"
        elif not what and self.finished is not None and self.finished.reason == "stopped":
            what = f"stopped; {resume} goes on"
        if what:
            err.say(f"cifar-tui: {printable(what)}")

    def _fault(self) -> str:
        """What went wrong; empty when nothing did."""
        if self.finished is None:
            return "the training ended without a word"
        if self.finished.reason in ("diverged", "failed"):
            return self.finished.error or self.finished.reason
        # Of which the run says itself that it could not be written.
        return "what came last could not be saved" if self._unsaved else ""
