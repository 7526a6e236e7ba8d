"""Replace a small file so that a reader, a crash or a full disk never meets half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write ``content`` beside ``path``, then put it in its place in one step.

    When ``durable``, it also outlives a power failure from the moment that this returns.

    Raises:
        OSError: as the file system says; ``path`` is then what it was before.
    """
    written = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.part")
    # Not the tempfile module: its files are private to the user, where the umask should decide.
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        written.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            written.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power failure, where its file system can.

    Raises:
        OSError: The folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some network file systems cannot do this to a folder; the file itself is safe there.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
