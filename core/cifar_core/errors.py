"""The errors that a user can meet: each is one sentence and knows the exit code it ends the command with."""

from __future__ import annotations


class CifarError(Exception):
    """An error whose text is one sentence for the user: what is wrong, where, and what to do."""

    exit_code = 4


class ConfigError(CifarError):
    """The command line, a preset or the configuration is wrong; one line for every fault found."""

    exit_code = 2


class DataError(CifarError):
    """Data is missing, unreadable or fails its checksum."""

    exit_code = 3


class TrainingError(CifarError):
    """Training itself failed."""

    exit_code = 4


def printable(foreign: object) -> str:
    r"""Return the text of ``foreign`` on one line, every character that could steer a terminal escaped (``\x1b``).

    File names, class names and TOML values are foreign: a name may hold an escape sequence that would
    retitle the window or worse.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(foreign))
