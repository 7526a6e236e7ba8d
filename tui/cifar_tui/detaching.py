"""Starting a training in a process and a session of its own, which no terminal can end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

import click

from cifar_core.control import Control
from cifar_core.errors import printable
from cifar_experiments.runs import Run, RunFolderError
from cifar_experiments.runs.lock import holder

_POLL_SECONDS = 0.02
_LONGEST_WAIT = 60.0


def start(run: Run, control: Control) -> int:
    """Have another process go on with ``run``, or begin it; print the run's id once that process has taken it over.

    Returns the exit code: 0, or that of the process where it ended before, with its words printed. When the end is
    asked for meanwhile, that process is ended too.

    Raises:
        RunFolderError: It was ended, since it did not come to it.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603, this program itself
            # -P: whatever lies in the current folder is not to be taken for a module.
            [sys.executable, "-P", "-m", "cifar_tui", "run", "--no-tui", "--resume", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        latest = time.monotonic() + _LONGEST_WAIT
        while process.poll() is None and control.ending is None and time.monotonic() < latest:
            working = holder(run)
            if working is not None and working.pid == process.pid:
                # It is to outlive this one, which must not complain that it did not wait for it.
                process.returncode = 0
                click.echo(printable(run.id))
                return 0
            time.sleep(_POLL_SECONDS)
        if process.poll() is None:
            process.terminate()
            process.wait()
            raise RunFolderError(f"{printable(run.id)} was not started: its process was ended before it came to it")
        said.seek(0)
        for line in said.read().decode(errors="replace").splitlines():
            click.echo(printable(line), err=True)
        return process.returncode
