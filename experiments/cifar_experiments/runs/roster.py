"""The runs of a folder, for a list that is looked at again and again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cifar_core.errors import printable
from cifar_experiments.errors import RunFolderError
from cifar_experiments.runs.folder import Run, is_run, runs_folder
from cifar_experiments.runs.listing import current
from cifar_experiments.runs.summary import Summary

_Traces = tuple[tuple[int, int, int] | None, ...]
"""Modification time in ns, size and inode of each of the files that tell what became of a run; None: not there."""

_FILES = ("summary.json", "lock", "events.jsonl")


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of the list."""

    run: Run
    summary: Summary | None
    """As ``current`` returns it; None where it cannot be read."""
    error: str | None
    """The printable sentence that says why it cannot; None where it can."""


class Roster:
    """Knows the runs of a folder, and reads of them only what may have changed since it was last asked.

    Nothing is watched and nothing is held open. Asking costs three looks at each run's folder, and a reading where
    its summary, its lock or its events are other files, of another size or of another time, than they were. A run
    that is running or paused is read each time: its process may end without a trace. So is what cannot be read.

    Args:
        runs_dir: See ``runs_folder``.
    """

    def __init__(self, runs_dir: Path | None = None) -> None:
        self._folder = str(runs_folder(runs_dir))
        self._known: dict[str, tuple[_Traces, Entry]] = {}

    def refresh(self) -> list[Entry]:
        """Return the runs as they are now, the newest first; a folder that is missing holds none.

        Raises:
            RunFolderError: The folder cannot be read.
        """
        known: dict[str, tuple[_Traces, Entry]] = {}
        for name in sorted(self._names(), reverse=True):
            # Before it is read: what changes meanwhile is then seen the next time.
            traces = tuple(_trace(f"{self._folder}/{name}/{file}") for file in _FILES)
            if traces[0] is None:
                continue
            before = self._known.get(name)
            if before is None or before[0] != traces or _is_unsettled(before[1]):
                entry = _read(Run(Path(self._folder, name)))
                if entry is None:
                    continue
                before = traces, entry
            known[name] = before
        self._known = known
        return [entry for _, entry in known.values()]

    def _names(self) -> list[str]:
        try:
            return [path.name for path in Path(self._folder).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunFolderError(f"{printable(self._folder)}: cannot be read: {error.strerror}") from None


def _trace(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116, a Path for each of three thousand files takes longer than the question
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_unsettled(entry: Entry) -> bool:
    return entry.summary is None or entry.summary.state in ("running", "paused")


def _read(run: Run) -> Entry | None:
    """Return what is known of a run; None where there is none, or none any more."""
    if not is_run(run.path):
        return None
    try:
        return Entry(run, current(run), None)
    except RunFolderError as error:
        return Entry(run, None, str(error)) if is_run(run.path) else None
