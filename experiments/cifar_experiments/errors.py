"""What can go wrong with a run's folder."""

from __future__ import annotations

from pathlib import Path

from cifar_core.errors import CifarError, printable


class RunFolderError(CifarError):
    """A run's folder cannot be written, or holds what is no record of a run."""


def unwritable(path: Path, error: OSError) -> RunFolderError:
    """Return the error that says why what happens in a run cannot be written to ``path``."""
    return RunFolderError(
        f"{printable(path)}: the run cannot be recorded: {error.strerror}; free some space, or choose another folder "
        "with --runs-dir or CIFAR_TUI_RUNS"
    )
