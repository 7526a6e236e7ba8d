"""Files in one folder, written whole or not at all and safe from a power failure, reached through no link.

The folder is held open and every name is looked up in it, so nothing can be made to land elsewhere. A symbolic
link in the folder is never followed: reading it fails, replacing it replaces the link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.part")
"""The names of files that are being written, or were when their process died."""

T = TypeVar("T")

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP}


class NotRegularError(OSError):
    """What has the name is no regular file: a link, a folder, a pipe."""


@contextlib.contextmanager
def opened(folder: Path, *, create: bool = False) -> Iterator[int]:
    """Hold ``folder`` open and give its descriptor; make it first if it is missing and ``create``.

    Raises:
        OSError: It is missing, is itself a symbolic link (its parents may be), or cannot be opened or made.
    """
    if create:
        _make(folder)
    directory = os.open(folder, _READ | os.O_DIRECTORY)
    try:
        yield directory
    finally:
        os.close(directory)


def _make(folder: Path) -> None:
    """Make a folder that also outlives a power failure, with its parents."""
    try:
        try:
            folder.mkdir()
        except FileNotFoundError:
            _make(folder.parent)
            folder.mkdir()
    except FileExistsError:
        return
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(parent)
    finally:
        os.close(parent)


def sync(directory: int) -> None:
    """Make the folder's present names outlive a power failure.

    Raises:
        OSError: As the file system says.
    """
    try:
        os.fsync(directory)
    except OSError as error:
        # Some network file systems cannot do this to a folder, and keep its names safe by themselves.
        if error.errno not in _UNSUPPORTED:
            raise


def write_unfinished(directory: int, write: Callable[[int], T]) -> tuple[str, T]:
    """Have ``write`` fill a new file, given its descriptor; durable when this returns.

    Returns:
        The name that the file has until ``publish``, and what ``write`` returned.

    Raises:
        OSError: It could not be written; it may be left behind under a name of the form ``UNFINISHED``.
    """
    name = f".{secrets.token_hex(8)}.part"
    # Not the tempfile module: its files are private to the user, where the umask should decide.
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=directory)
    try:
        result = write(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)  # a network file system may report a full disk only here
    return name, result


def publish(directory: int, unfinished: str, name: str) -> None:
    """Give a written file its name in one step, in place of whatever has it; durable when this returns.

    Raises:
        OSError: As the file system says; the name may then mean either file, each of them whole.
    """
    os.replace(unfinished, name, src_dir_fd=directory, dst_dir_fd=directory)
    sync(directory)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of ``content``, which one system call need not do.

    Raises:
        OSError: As the file system says.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def regular_file(directory: int, name: str) -> Iterator[tuple[int, int]]:
    """Open a file to be read; give its descriptor and its size in bytes.

    Raises:
        NotRegularError: It is a link or no file at all.
        OSError: It is missing or cannot be opened.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        descriptor = os.open(name, _READ | os.O_NONBLOCK, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotRegularError(errno.ELOOP, "Is a symbolic link") from error
        raise
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise NotRegularError(errno.EINVAL, "Is not a regular file")
        yield descriptor, about.st_size
    finally:
        os.close(descriptor)


def read_all(descriptor: int, size: int) -> bytes:
    """Return ``size`` bytes, or fewer where the file ends before.

    Raises:
        OSError: As the file system says.
    """
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(size)
