"""Where data sets live, and how their names are shown."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from cifar_core.config import Data
from cifar_core.errors import DataError, printable


def data_home() -> Path:
    """Return the folder that downloads and decoded images go to: $CIFAR_TUI_DATA, else the user's data folder.

    Raises:
        DataError: if the variable names no possible folder.
    """
    named = os.environ.get("CIFAR_TUI_DATA")
    if named:
        return folder(named, "CIFAR_TUI_DATA")
    return platformdirs.user_data_path("cifar-tui", appauthor=False)


def data_root(config: Data) -> Path:
    """Return the folder that ``config`` takes its images from: ``data.root``, else the data home.

    Raises:
        DataError: if either names no possible folder.
    """
    return data_home() if config.root is None else folder(config.root, "data.root")


def unreadable(error: OSError) -> DataError:
    """The error of what the system cannot read on the way to the images, as one sentence."""
    where = f"{printable(error.filename)} cannot be read" if error.filename else "the images cannot be read"
    return DataError(f"{where} ({error.strerror or error}): mend that or choose another data.root")


def folder(named: str, setting: str) -> Path:
    """Return the folder that is ``named`` by a setting; ~ is the user's home.

    Raises:
        DataError: if no folder can be called that.
    """
    if "\0" in named:
        raise DataError(f"{setting} names no folder, it holds a NUL character: {printable(named)}")
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise DataError(f"{setting} names no folder, there is no such user's home: {printable(named)}") from error
