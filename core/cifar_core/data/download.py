"""Downloads that go on where they were cut, from the first address that works.

What has arrived waits in ``NAME.part`` beside its destination and gets its name only when it is whole and its
checksum is right. The file is locked meanwhile: several runs that start together download it once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import urllib.request
from collections.abc import Generator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from cifar_core.data.archive import MAX_ARCHIVE
from cifar_core.data.progress import Progress
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing

TIMEOUT = 15.0
"""Seconds without an answer after which an address is given up; closing a download may take as long."""
BLOCK = 2**18
"""Bytes asked for at once."""
WAIT = 0.2
"""Seconds between two looks at a download that another process is making."""


def download(addresses: Sequence[str], target: Path, sha256: str | None) -> Generator[Preparing, None, None]:
    """Make ``target`` exist, from the first of the ``addresses`` (http or https) that gives it whole.

    Closed early, it leaves what has arrived for the next call to go on from, and nothing else.

    Args:
        addresses: tried in this order; one that breaks off is asked again as long as it gets further.
        target: the file to make; its folder is created.
        sha256: its checksum in hexadecimal; None accepts any content.

    Raises:
        DataError: if no address gives it (with each one's reason), or the disk does not take it.
    """
    for address in addresses:
        _refuse_other_schemes(address)
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = yield from _claim(part)
        try:
            # Another process may have finished it while this one waited.
            if not target.exists():
                yield from _first_that_works(addresses, file, target.name, sha256)
                part.replace(target)
        finally:
            if os.fstat(file.fileno()).st_size == 0:
                part.unlink(missing_ok=True)
            file.close()
    except OSError as error:
        raise DataError(
            f"{printable(target)} cannot be written ({error.strerror or error}): free some space or choose another "
            "folder with data.root or CIFAR_TUI_DATA"
        ) from error


def part_of(target: Path) -> Path:
    """Return the file that holds what has arrived of ``target`` so far."""
    return target.with_name(target.name + ".part")


def _refuse_other_schemes(address: str) -> None:
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise DataError(f"data.mirrors: {printable(address)} is no address that starts with https:// or http://")


def _claim(part: Path) -> Generator[Preparing, None, BinaryIO]:
    """Open ``part`` for appending and lock it, once no other process has it."""
    progress = Progress("download", printable(part.stem), "B")
    while True:
        file = part.open("ab", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            done = os.fstat(file.fileno()).st_size
            file.close()
            yield from progress.at(done)
            time.sleep(WAIT)
            continue
        except OSError:
            return file  # a network file system without locks: the checksum still holds
        # Another process may have renamed or removed the file just after this one had opened it.
        if part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
            return file
        file.close()


def _first_that_works(
    addresses: Sequence[str], file: BinaryIO, name: str, sha256: str | None
) -> Generator[Preparing, None, None]:
    """Fill ``file`` until it is whole and right."""
    reasons = []
    for address in addresses:
        furthest = _size(file)
        while True:
            resumed = _size(file) > 0
            try:
                yield from _fetch(address, file, name)
            except _Broken as broken:
                if _size(file) > furthest:
                    furthest = _size(file)
                    continue
                reasons.append(f"{urlsplit(address).hostname}: {broken}")
                break
            if sha256 is None or (yield from _is_right(file, name, sha256)):
                return
            file.truncate(0)
            furthest = 0
            if not resumed:  # or else what another address had begun may be to blame
                reasons.append(f"{urlsplit(address).hostname}: wrong checksum")
                break
    raise DataError(
        f"{name} could not be downloaded ({'; '.join(reasons)}): check the network, or put the file into "
        f"{printable(Path(file.name).parent)} yourself, or use data.kind=synthetic, which needs no files"
    )


class _Broken(Exception):
    """An address did not give the whole file; the text says briefly why."""


def _fetch(address: str, file: BinaryIO, name: str) -> Generator[Preparing, None, None]:
    """Append to ``file`` what it lacks.

    Raises:
        _Broken: if the address does not give all of it.
        OSError: if the disk does not take it.
    """
    done = _size(file)
    yield from Progress("download", name, "B").at(done)
    headers = {"User-Agent": "cifar-tui", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        response = _opener().open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)  # noqa: S310 - the schemes are checked, and the opener knows no others
    except HTTPError as error:
        error.close()
        if error.code == 416 and done:
            return  # nothing lies beyond what is there: the checksum decides
        raise _Broken(f"HTTP {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _Broken(_briefly(error)) from error
    with response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            file.truncate(0)
            done = 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() and len(length) < 16 else None
        progress = Progress("download", name, "B", total)
        while block := _read(response):
            done += len(block)
            if done > MAX_ARCHIVE:
                file.truncate(0)
                raise _Broken(f"larger than {MAX_ARCHIVE} bytes")
            _write(file, block)
            yield from progress.at(done)
        if total is not None and done != total:
            raise _Broken(f"broke off after {done} of {total} bytes")


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener(), which knows file: and ftp: too and would follow a redirection there.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _read(response: BinaryIO) -> bytes:
    try:
        # read1 gives what is there rather than wait for a whole block.
        return response.read1(BLOCK)  # type: ignore[attr-defined, no-any-return]
    except (OSError, HTTPException) as error:
        raise _Broken(_briefly(error)) from error


def _write(file: BinaryIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _is_right(file: BinaryIO, name: str, sha256: str) -> Generator[Preparing, None, bool]:
    progress = Progress("verify", name, "B", total=_size(file))
    yield from progress.at(0)
    with Path(file.name).open("rb") as written:
        right = hashlib.file_digest(written, "sha256").hexdigest() == sha256
    yield from progress.at(_size(file))
    return right


def _briefly(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return printable(text)[:100]
