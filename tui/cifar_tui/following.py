"""A run that another process trains, or trained, as a screen sees it."""

from __future__ import annotations

import asyncio
import threading

from cifar_core.errors import CifarError, printable
from cifar_core.events import from_json
from cifar_experiments.errors import RunFolderError
from cifar_experiments.live.client import ask
from cifar_experiments.live.follow import follow
from cifar_experiments.live.protocol import AnyLiveRequest
from cifar_experiments.runs import Run
from cifar_experiments.runs.lock import holder
from cifar_tui.watched import Record, status_of

_AT_A_TIME = 512
"""Events taken in with one hold of the lock: about a millisecond."""


class Following:
    """Reads a run's events, first all there are and then those that come, in a thread of its own."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.record = Record()
        self.trained_here = False
        self.error: str | None = None
        """A printable sentence, where it cannot be followed any longer."""
        self.ended = False
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="cifar-following", daemon=True)
        self._thread.start()

    @property
    def status(self) -> str:
        """How far it has come, in a word or two."""
        with self.record.reading() as history:
            status = status_of(history)
        if not self.ended or status in ("completed", "completed early", "stopped", "diverged", "failed"):
            return status
        return "gone" if self.error is not None else "crashed"

    async def ask(self, request: AnyLiveRequest) -> None:
        """Have the other process take a request in.

        Raises:
            CifarError: It has not.
        """
        await asyncio.to_thread(ask, self.run, request)

    def leave(self) -> None:
        """Follow no longer."""
        self._left.set()

    def _work(self) -> None:
        try:
            for lines in follow(self.run.events, alive=self._alive):
                whole = lines.splitlines()
                for begin in range(0, len(whole), _AT_A_TIME):
                    if self._left.is_set():
                        return
                    self.record.apply([from_json(line) for line in whole[begin : begin + _AT_A_TIME]])
        except (ValueError, RecursionError) as error:
            self.error = f"{printable(self.run.events)}: is no event: {printable(error)}"
        except CifarError as error:
            self.error = printable(error)
        except Exception as error:  # noqa: BLE001, the thread's last frame: told on the screen
            self.error = f"{printable(self.run.events)}: cannot be shown: {type(error).__name__}: {printable(error)}"
        finally:
            self.ended = True

    def _alive(self) -> bool:
        if self._left.is_set():
            return False
        if not self.run.path.exists():
            raise RunFolderError(f"{printable(self.run.path)} is no longer there: it was removed, or moved")
        return holder(self.run) is not None
