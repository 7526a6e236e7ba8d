"""One checkpoint on disk: a data file, and a manifest that says which bytes it must have. Trusts neither."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import torch
from torch import Tensor, nn

from cifar_core import durable
from cifar_core.errors import printable

DATA_FILE = re.compile(r"[0-9]{9,}-[0-9a-f]{16}\.pt")

_LARGEST_MANIFEST = 4096
# Exactly these, no class derived from them: a float64 of NumPy is a float, yet would be refused when loading.
_LEAVES = {Tensor, nn.Parameter, str, int, float, bool, type(None)}


class UnusableError(Exception):
    """Why a checkpoint cannot be used, as a clause that begins with the file's name."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says; as a file it is one line of JSON."""

    format: Literal[1]
    file: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    step: Annotated[int, msgspec.Meta(ge=0)]
    time: float
    """Of saving, seconds since 1970-01-01 UTC."""
    torch: str
    """The version that wrote the data."""
    seal: str = ""
    """SHA-256 of the line while this is empty: a flipped bit in it must not pass for another truth."""


def check(value: object, place: str) -> None:
    """Refuse what only the next load would refuse, when it is too late.

    Raises:
        TypeError: ``value``, which is called ``place``, holds an object of a class that is not to be saved.
    """
    kind = type(value)
    if kind in {dict, OrderedDict} and isinstance(value, dict):
        for key, item in value.items():
            check(key, f"a key of {place}")
            check(item, f"{place}[{key!r}]")
    elif kind in {list, tuple} and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check(item, f"{place}[{index}]")
    elif kind not in _LEAVES:
        raise TypeError(f"a checkpoint cannot hold {place}, which is a {kind.__module__}.{kind.__qualname__}")


class _Sink:
    """A file as torch.save wants one: every byte is hashed and written once, and no copy of the whole is made."""

    def __init__(self, descriptor: int) -> None:
        self.bytes = 0
        self.sha256 = hashlib.sha256()
        self.failure: BaseException | None = None
        self._descriptor = descriptor

    def write(self, content: memoryview) -> int:
        # After an error torch.save goes on writing for a while, then reports that error or another one.
        if self.failure is not None:
            raise self.failure
        try:
            durable.write_all(self._descriptor, content)
            self.sha256.update(content)
            self.bytes += len(content)
        except BaseException as failure:
            self.failure = failure
            raise
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""


def write_data(directory: int, state: dict[str, Any], step: int) -> Manifest:
    """Write a data file, durably, and return the manifest that is to name it.

    Raises:
        OSError: As the file system says.
    """

    def write(descriptor: int) -> _Sink:
        sink = _Sink(descriptor)
        try:
            torch.save(state, sink)  # type: ignore[arg-type]  # it needs no more of a file
        except Exception:
            if sink.failure is None:
                raise
        if sink.failure is not None:
            raise sink.failure
        return sink

    unfinished, sink = durable.write_unfinished(directory, write)
    digest = sink.sha256.hexdigest()
    manifest = Manifest(
        format=1,
        file=_data_name(step, digest),
        sha256=digest,
        bytes=sink.bytes,
        step=step,
        time=time.time(),
        torch=str(torch.__version__),
    )
    durable.publish(directory, unfinished, manifest.file)
    return manifest


def _data_name(step: int, sha256: str) -> str:
    return f"{step:09d}-{sha256[:16]}.pt"


def to_line(manifest: Manifest) -> bytes:
    """Return the manifest as its file holds it."""
    bare = msgspec.structs.replace(manifest, seal="")
    seal = hashlib.sha256(msgspec.json.encode(bare)).hexdigest()
    return msgspec.json.encode(msgspec.structs.replace(bare, seal=seal)) + b"\n"


def from_line(line: bytes, name: str) -> Manifest:
    """Return the manifest that the file ``name`` holds.

    Raises:
        UnusableError: It is damaged or of another version, or the data file that it names could not be its own.
    """
    try:
        manifest = msgspec.json.decode(line, type=Manifest)
    except ValueError as error:
        raise UnusableError(f"{name} is damaged or of another version ({printable(error)})") from error
    if to_line(manifest) != line:
        raise UnusableError(f"{name} is damaged: it does not match its own checksum")
    # A name is never taken on trust, so that it cannot lead out of the folder.
    if manifest.file != _data_name(manifest.step, manifest.sha256):
        raise UnusableError(f"{name} names a data file that cannot be its own")
    return manifest


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what the file system says about the file ``name`` into an ``UnusableError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise UnusableError(f"{name} is missing") from error
    except OSError as error:
        raise UnusableError(f"{name} cannot be read ({error.strerror or error})") from error


def read_line(directory: int, name: str) -> bytes:
    """Return what the manifest file ``name`` holds, or its beginning where that is far too long.

    Raises:
        OSError: It is missing, no regular file or cannot be read.
    """
    with durable.regular_file(directory, name) as (descriptor, size):
        return durable.read_all(descriptor, min(size, _LARGEST_MANIFEST))


def read_state(directory: int, manifest: Manifest) -> dict[str, Any]:
    """Return what was saved, tensors on the CPU, once every byte has proved to be the one that was written.

    Raises:
        UnusableError: The data file is missing, unreadable or damaged, or holds something else than data.
    """
    name = manifest.file
    with explained(name), durable.regular_file(directory, name) as (descriptor, size):
        if size != manifest.bytes:
            raise UnusableError(f"{name} is damaged: it has {size} bytes, not {manifest.bytes}")
        content = durable.read_all(descriptor, size)
    # Hashed as read, and never read again: what torch sees is what was verified.
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise UnusableError(f"{name} is damaged: its SHA-256 is not the one that was saved")
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a whole file that somebody else has made can fail in any way
        # Not torch's own words: they advise to load it without the protection.
        raise UnusableError(f"{name} is no checkpoint of this program ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise UnusableError(f"{name} is no checkpoint of this program (it holds a {type(state).__name__})")
    return state
