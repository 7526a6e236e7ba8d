"""Starting a training in a process and a session of its own, which no terminal can end."""

from __future__ import annotations

import subprocess
import sys
import time

from cifar_experiments.runs.lock import holder

from cifar_core.errors import printable
from cifar_experiments.runs import Run, RunFolderError

_POLL_SECONDS = 0.02
_LONGEST_WAIT = 60.0


def start(run: Run) -> None:
    """Have another process go on with ``run``, or begin it; return once that process has taken it over.

    Raises:
        RunFolderError: It ended before, or did not come to it.
    """
    with run.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603, this program itself
            [sys.executable, "-m", "cifar_tui", "run", "--no-tui", "--resume", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    since = time.monotonic()
    while process.poll() is None and time.monotonic() - since < _LONGEST_WAIT:
        working = holder(run)
        if working is not None and working.pid == process.pid:
            # It is to outlive this one, which must not complain that it did not wait for it.
            process.returncode = 0
            return
        time.sleep(_POLL_SECONDS)
    lines = run.log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it said nothing"]
    raise RunFolderError(f"{printable(run.id)} could not be started: {printable(lines[-1])}; see {printable(run.log)}")
