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
    """The command in a pseudo-terminal; ``before`` is Python that is run in its process first.

    With ``commands``, it is forked off the process that those are forked off, and so need not import torch.
    """

    def __init__(self, arguments, environment, *, size=(80, 24), before=None, commands=None):
        self._near, far = pty.openpty()
        self.resize(*size, far)
        self.modes_before = termios.tcgetattr(far)
        self._far = far
        self.screen = ""
        if commands is not None:
            there = os.ttyname(far)
            self.process = commands.start(*arguments, terminal=there, before=before, environment=environment)
            return
        self.process = subprocess.Popen(
            [sys.executable, *_program(before), *map(str, arguments)],
            env=environment,
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509, no other thread runs here
        )

    def until(self, words):
        """Read until ``words`` have appeared; fails the test when they do not."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.screen:
            assert time.monotonic() < deadline, self.screen[-2000:]
            self._read(0.1)

    def resize(self, columns, rows, descriptor=None):
        """As a window does; the system sends SIGWINCH."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._near if descriptor is None else descriptor, termios.TIOCSWINSZ, size)

    def read_for(self, seconds):
        """Read what comes within so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

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


def _program(before):
    if before is None:
        return ("-m", "cifar_tui")
    return ("-c", f"{before}\nfrom cifar_tui.cli import main\nmain()")
