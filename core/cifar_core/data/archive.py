"""The official archives: checked, unpacked in memory, and read member by member.

Nothing is ever extracted to disk, so no member's name, link or mode can do anything there.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from pathlib import Path

from cifar_core.errors import DataError, printable

MAX_ARCHIVE = 512 * 2**20
"""Bytes that an archive may have, packed and unpacked; the official ones have under 190 million."""
MAX_MEMBER = 256 * 2**20
"""Bytes that one member may declare; the official ones have at most 154 million."""


def read_members(path: Path, names: tuple[str, ...], sha256: str | None) -> dict[str, bytes]:
    """Return the content of the members ``names`` of a ``.tar.gz`` archive.

    The archive is read once, so what was checked is what is unpacked.

    Args:
        path: the archive.
        names: the members' full names.
        sha256: the archive's checksum in hexadecimal; None leaves it unchecked.

    Raises:
        DataError: if the archive fails its checksum, is damaged, too large or lacks a member.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        packed = file.read(MAX_ARCHIVE + 1)
    if len(packed) > MAX_ARCHIVE:
        raise DataError(f"{printable(path)} is no official archive: it is larger than {MAX_ARCHIVE} bytes")
    if sha256 is not None and hashlib.sha256(packed).hexdigest() != sha256:
        raise DataError(
            f"{printable(path)} differs from the official archive (SHA-256 {sha256}): delete it to have it downloaded "
            "again, or set data.verify=false if it was changed on purpose"
        )
    unpacker = zlib.decompressobj(wbits=31)  # 31: a gzip header, and its checksum checked at the end
    try:
        unpacked = unpacker.decompress(packed, MAX_ARCHIVE)
    except zlib.error as error:
        raise _damaged(path, "it does not unpack") from error
    if unpacker.unconsumed_tail:
        raise DataError(f"{printable(path)} is no official archive: it unpacks to more than {MAX_ARCHIVE} bytes")
    if not unpacker.eof:
        raise _damaged(path, "its end is missing")
    try:
        found = _contents(path, unpacked, names)
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:  # mutated headers raise all of them
        raise _damaged(path, "it is no tar archive") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise _damaged(path, f"it lacks {missing[0]}")
    return found


def _contents(path: Path, unpacked: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as tar:
        for member in tar:
            # A sparse member may declare more than the archive holds, and would be filled up with zeros.
            if member.size > MAX_MEMBER or member.issparse():
                raise DataError(
                    f"{printable(path)} is no official archive: its member {printable(member.name)} is too large"
                )
            if member.name not in names or not member.isreg():
                continue
            content = tar.extractfile(member)
            if content is not None:
                found[member.name] = content.read()
    return found


def _damaged(path: Path, how: str) -> DataError:
    return DataError(f"{printable(path)} is damaged, {how}: delete it to have it downloaded again")
