"""Several runs read one after another in a thread, while the screen that waits for them stays usable."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from textual.message import Message
from textual.message_pump import MessagePump

from cifar_core.errors import CifarError
from cifar_experiments import comparing
from cifar_experiments.comparing import Compared
from cifar_experiments.runs import Run


class Reading:
    """Reads runs, as often as ``begin`` is called, and posts a ``Came`` for each.

    Args:
        waiting: Gets the messages, and hands them to ``takes``.
        runs: What is read.
    """

    class Came(Message):
        """One run was read, or could not be."""

        def __init__(self, turn: int, place: int, result: Compared | str) -> None:
            super().__init__()
            self.turn, self.place, self.result = turn, place, result

    def __init__(self, waiting: MessagePump, runs: Sequence[Run]) -> None:
        self._waiting = waiting
        self._runs = list(runs)
        self._turn = 0
        """Changes with every time that all are read."""
        self._results: dict[int, Compared | str] = {}
        """By the run's place; a sentence where it could not be read."""

    @property
    def count(self) -> int:
        """How many runs there are."""
        return len(self._runs)

    @property
    def done(self) -> bool:
        """Whether all of them were read."""
        return len(self._results) == len(self._runs)

    @property
    def words(self) -> str:
        """How far it is."""
        return f"reading {len(self._results) + 1} of {len(self._runs)}"

    @property
    def outcome(self) -> tuple[list[Compared], list[str]]:
        """What was read, in the order of the runs, and the sentences that say why others were not."""
        results = [self._results[place] for place in sorted(self._results)]
        read = [each for each in results if isinstance(each, Compared)]
        return read, [each for each in results if isinstance(each, str)]

    def begin(self) -> None:
        """Read all runs, as they are now."""
        self.leave()
        # A thread that nobody waits for: a big run must not hold up whoever leaves.
        threading.Thread(target=self._read, args=(self._turn,), name="cifar-comparing", daemon=True).start()

    def leave(self) -> None:
        """Forget what was read, and have no more read."""
        self._turn += 1
        self._results = {}

    def takes(self, message: Reading.Came) -> bool:
        """Take what was read; return whether it is of the newest time."""
        if message.turn == self._turn:
            self._results[message.place] = message.result
        return message.turn == self._turn

    def _read(self, turn: int) -> None:
        for place, run in enumerate(self._runs):
            if turn != self._turn:
                return
            self._waiting.post_message(self.Came(turn, place, _read(run)))


def _read(run: Run) -> Compared | str:
    """Read a run; return the sentence that says why it cannot be."""
    try:
        return comparing.read(run)
    except (CifarError, OSError) as error:
        return str(error)
