"""The events of a training as lines of JSON on standard output, for programs."""

from __future__ import annotations

import threading
from pathlib import Path

from cifar_core.events import AnyEvent
from cifar_experiments.live.follow import POLL_SECONDS, follow
from cifar_experiments.runs import Recorder, RunFolderError
from cifar_tui.outlet import Outlet


class JsonLines:
    """Copies the run's event file as it grows, in a thread of its own.

    So a reader may be as slow as it likes: what it has not read yet waits on disk, no line is ever left out, and
    the training does not wait for it.
    """

    def __init__(self, out: Outlet, path: Path, recorder: Recorder) -> None:
        self._out = out
        self._path = path
        self._recorder = recorder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._copy, name="cifar-json-lines", daemon=True)
        self._thread.start()

    def show(self, event: AnyEvent) -> None:
        """Nothing: the event is in the file, or will be."""

    def close(self) -> None:
        """Wait until the reader has got everything, or has left."""
        self._ended.set()
        self._thread.join()

    def _copy(self) -> None:
        while (begin := self._recorder.begins_at) is None:
            # Looked at once more after the end, since it may have been known just before.
            if self._ended.wait(POLL_SECONDS) and self._recorder.begins_at is None:
                return
        try:
            for lines in follow(self._path, begin, alive=lambda: not self._ended.is_set()):
                self._out.write_bytes(lines)
                self._out.finish()
        except RunFolderError as error:
            self._out.failure = str(error)
