"""What can be asked of a run that is on the screen: the keys lead here, and the run's own events say what was done."""

from __future__ import annotations

import math
from collections.abc import Callable

from textual import work

from cifar_core.errors import CifarError, printable
from cifar_experiments.history import History
from cifar_experiments.live.protocol import AnyLiveRequest, Checkpoint, Set, Stop, TogglePause
from cifar_tui.screens.dialogs import Option
from cifar_tui.screens.room import Room
from cifar_tui.watched import Watched

_STEERING = ("pause", "checkpoint", "learning_rate", "stop", "detach")


def learning_rate_fault(text: str) -> str | None:
    """Return what is wrong with a learning rate that was entered; None where nothing is."""
    try:
        value = float(text)
    except ValueError:
        return "a number is needed, such as 0.01 or 3e-4"
    return None if math.isfinite(value) and value > 0 else "a learning rate is above 0 and finite"


class Controlled(Room):
    """A screen about one run; subclasses bind keys to the actions, and show ``pending``."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self.watched = watched
        self._pending = ""
        self._until: Callable[[History], object] = lambda _history: None
        self._before: object = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer nothing that steers a training once it has ended."""
        if action in _STEERING and self.watched.ended:
            return False
        return super().check_action(action, parameters)

    def pending(self, history: History) -> str:
        """Return what was asked for and has not been done yet, in a word or two."""
        if self._pending and (self.watched.ended or self._until(history) != self._before):
            self._pending = ""
        return self._pending

    def asked(self) -> None:
        """Show that something was asked for; for subclasses."""

    async def request(self, request: AnyLiveRequest, words: str, until: Callable[[History], object]) -> None:
        """Ask the run for something; ``words`` are shown until what ``until`` returns has changed."""
        with self.watched.record.reading() as history:
            before = until(history)
        try:
            await self.watched.ask(request)
        except CifarError as error:
            self.tell(error, wrong=True)
            return
        self._pending, self._until, self._before = words, until, before
        self.asked()

    @work(exclusive=True, group="request")
    async def action_pause(self) -> None:
        """Pause it, or have it go on."""
        if not self._refused():
            with self.watched.record.reading() as history:
                words = "resuming ..." if history.paused else "pausing ..."
            await self.request(TogglePause(), words, lambda history: history.paused)

    @work(exclusive=True, group="request")
    async def action_checkpoint(self) -> None:
        """Have it save a checkpoint."""
        if not self._refused():
            await self.request(Checkpoint(), "saving ...", lambda history: history.checkpoints.get("last"))

    @work(exclusive=True, group="question")
    async def action_learning_rate(self) -> None:
        """Ask for a learning rate."""
        if self._refused():
            return
        with self.watched.record.reading() as history:
            now = history.learning_rate
        text = "" if now is None else f"{now:g}"
        answer = await self.enter(
            f"Learning rate (now {text or 'not known'}), from the next step on", text, learning_rate_fault
        )
        if answer is not None and not self._refused():
            wanted = Set(key="optimizer.lr", value=float(answer))
            await self.request(wanted, "changing the learning rate ...", lambda history: history.learning_rate)

    @work(exclusive=True, group="question")
    async def action_stop(self) -> None:
        """Ask how it is to end, if at all."""
        options = [
            Option(
                "d", "detach: it goes on in a process of its own" if self.watched.trained_here else "detach: it goes on"
            ),
            Option("e", "stop after this epoch"),
            Option("n", "stop now (saves)"),
        ]
        answer = await self.choose("Stop this training?", options)
        if answer == "d":
            self._part()
        elif answer is not None:
            words = "stopping after this epoch ..." if answer == "e" else "stopping ..."
            await self.request(Stop(after_epoch=answer == "e"), words, lambda history: history.finished)

    @work(exclusive=True, group="question")
    async def action_detach(self) -> None:
        """Leave it to itself; where it is trained in this process, ask first."""
        if self.watched.trained_here:
            go = Option("d", "detach: it saves, and goes on in a process of its own; the screens close")
            if await self.choose("Leave it to itself?", [go]) is None:
                return
        self._part()

    def _part(self) -> None:
        if self.watched.trained_here:
            self.cifar.leave("detach")
        else:
            self.action_leave()

    def _refused(self) -> bool:
        """Whether it can be asked for nothing now; then a sentence says so."""
        name = printable(self.watched.run.id)
        with self.watched.record.reading() as history:
            begun = history.started is not None
        if self.watched.ended:
            self.tell(f"{name} has ended")
        elif not begun:
            self.tell(f"{name} has not begun yet")
        return self.watched.ended or not begun
