"""A program on a pseudo-terminal of 120 x 40, whose output is only counted and searched."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Terminal:
    """A Python program with folders of its own; ``began`` is when its process was started."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        kept = {key: value for key, value in os.environ.items() if key != "CI"}
        homes = {f"XDG_{name}_HOME": str(folder / "home") for name in ("CONFIG", "STATE", "DATA", "CACHE")}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**kept, **homes, "CIFAR_TUI_RUNS": str(folder / "runs"), "TERM": "xterm-256color"},
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509, no other thread runs here
        )
        os.close(far)
        self.seen = b""

    def read_for(self, seconds: float) -> int:
        """Read for so long; return how many bytes came."""
        count, deadline = 0, time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if select.select([self._near], [], [], left)[0]:
                block = os.read(self._near, 1 << 16)
                count += len(block)
                self.seen = (self.seen + block)[-(1 << 18) :]
        return count

    def until(self, condition: Callable[[], object]) -> None:
        """Read until a condition holds."""
        while not condition():
            if self.process.poll() is not None:
                raise SystemExit(f"the app ended with {self.process.returncode}: {self.seen[-500:]!r}")
            self.read_for(0.01)

    def shows(self, words: bytes) -> bool:
        """Whether words were on the screen lately."""
        return words in self.seen

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._near, keys)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._near)


@contextmanager
def terminal(*arguments: str) -> Iterator[tuple[Terminal, Path]]:
    """A Python program in folders of its own, and the one for runs among these; it is killed in the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = Terminal(folder, *arguments)
        try:
            yield shown, folder / "runs"
        finally:
            shown.process.kill()
            shown.process.wait()
