"""The command in a real (pseudo) terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

PATIENCE = 120


class Terminal:
    """A command in a pseudo-terminal of 80 columns and 24 rows."""

    def __init__(self, arguments, environment):
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.modes_before = termios.tcgetattr(far)
        self._far = far
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cifar_tui", *map(str, arguments)],
            env=environment,
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509, no other thread runs here
        )
        self.screen = ""

    def until(self, words):
        """Read until ``words`` have appeared; fails the test when they do not."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.screen:
            assert time.monotonic() < deadline, self.screen[-2000:]
            self._read(0.1)

    def type(self, keys):
        os.write(self._near, keys)

    def wait(self):
        """The exit code, after everything that was printed has been read."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.screen[-2000:]
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    def modes(self):
        return termios.tcgetattr(self._far)

    def hang_up(self):
        """Close the window, or lose the connection: the system sends SIGHUP, and writing fails from now on."""
        os.close(self._near)
        self._near = -1

    def close(self):
        self.process.kill()
        self.process.wait()
        if self._near >= 0:
            os.close(self._near)
        os.close(self._far)

    def _read(self, seconds):
        if not select.select([self._near], [], [], seconds)[0]:
            return False
        self.screen += os.read(self._near, 65536).decode(errors="replace")
        return True
