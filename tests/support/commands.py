"""The command as a child process that can be killed, many times a minute."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


class Commands:
    """Starts commands as children of one process that has imported torch before; see ``zygote.py``."""

    def __init__(self, environment, folder):
        self._environment = environment
        self._folder = folder
        self._count = 0
        self._zygote = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def start(self, *arguments, terminal=None, before=None, environment=None):
        """Start a command; with ``terminal`` in that one's own session, ``before`` is Python that it runs first."""
        self._count += 1
        said = self._folder / f"said-{self._count}.txt"
        order = {
            "arguments": [str(argument) for argument in arguments],
            "env": self._environment if environment is None else environment,
            "cwd": str(self._folder),
            "stdout": str(said),
            "stderr": str(said),
            "terminal": terminal,
            "before": before,
        }
        return Command(self, int(self.ask(order)), said)

    def ask(self, order):
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        return self._zygote.stdout.readline()

    def close(self):
        self._zygote.stdin.close()
        self._zygote.wait()
        self._zygote.stdout.close()


class Command:
    """One of them; ``said`` is the file with all that it printed."""

    def __init__(self, commands, pid, said):
        self._commands = commands
        self.pid = pid
        self.said = said
        self.code = None

    def send(self, number):
        os.kill(self.pid, number)

    def wait(self):
        """Its exit code, or minus the signal that killed it."""
        if self.code is None:
            self.code = int(self._commands.ask({"wait": self.pid}))
        return self.code

    # As of a subprocess.Popen:

    @property
    def returncode(self):
        return self.code

    def poll(self):
        if self.code is None and (said := self._commands.ask({"poll": self.pid}).strip()):
            self.code = int(said)
        return self.code

    def kill(self):
        if self.poll() is None:
            self.send(signal.SIGKILL)
