"""What is said over the Unix socket in a run's folder, where the socket is, and who may speak there.

A request is one line of JSON in UTF-8, and each line gets one line as its answer: ``{"ok":true}`` or
``{"error":"one sentence"}``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from cifar_experiments.runs.folder import Run

LONGEST_LINE: Final = 4096
"""How many bytes a request or an answer may have, its line feed among them."""

LONGEST_SENTENCE: Final = 500
"""How many characters of an error go over the socket or are believed from it; in UTF-8 they fit into a line."""


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="request"):
    """A request to a training; its ``request`` in JSON is the tag of its class."""


class Pause(_Request, frozen=True, tag="pause"):
    """Wait before the next step."""


class Resume(_Request, frozen=True, tag="resume"):
    """Go on after a pause."""


class TogglePause(_Request, frozen=True, tag="toggle"):
    """Pause a training that runs, resume one that is paused."""


# A default goes unsaid, so that a process of an earlier version still understands a plain stop.
class Stop(_Request, frozen=True, tag="stop", omit_defaults=True):
    """Save and end before the next step."""

    after_epoch: bool = False
    """Go on to the end of the epoch first."""


class Checkpoint(_Request, frozen=True, tag="checkpoint"):
    """Save a checkpoint before the next step."""


class Set(_Request, frozen=True, tag="set"):
    """Change a value of the configuration while the training goes on."""

    key: str
    value: float


AnyLiveRequest = Pause | Resume | TogglePause | Stop | Checkpoint | Set


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of a request: it was taken in (``ok``), or an ``error`` says why not."""

    ok: bool = False
    error: str | None = None


_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[AnyLiveRequest] = msgspec.json.Decoder(AnyLiveRequest)
_answers = msgspec.json.Decoder(Answer)


def to_line(message: AnyLiveRequest | Answer) -> bytes:
    """Return a message as one line, with its line feed.

    Raises:
        ValueError: It holds text that is no Unicode, or would be longer than ``LONGEST_LINE``.
    """
    line = _encoder.encode(message) + b"\n"
    if len(line) > LONGEST_LINE:
        raise ValueError(f"it takes more than {LONGEST_LINE} bytes")
    return line


def to_request(line: bytes) -> AnyLiveRequest:
    """Return the request that a line holds.

    Raises:
        ValueError: It holds none (msgspec's errors are ValueErrors).
        RecursionError: It is nested too deeply.
    """
    return _requests.decode(line)


def to_answer(line: bytes) -> Answer:
    """Return the answer that a line holds.

    Raises:
        ValueError: It holds none.
    """
    return _answers.decode(line)


@contextlib.contextmanager
def opened(run: Run) -> Iterator[int]:
    """Hold a run's folder open, which may be a link to it, and give its descriptor.

    Raises:
        OSError: It is missing or cannot be opened.
    """
    directory = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory
    finally:
        os.close(directory)


def address(run: Run, directory: int) -> str:
    """Return what to bind or connect a socket to, given the descriptor of the run's folder.

    An address has room for about a hundred bytes, fewer than the path of a folder may have. Linux can be told
    of the folder by its descriptor; elsewhere the path must do.
    """
    if sys.platform != "linux":
        return str(run.socket)
    return f"/proc/self/fd/{directory}/{run.socket.name}"


def is_trusted(user: int) -> bool:
    """Whether the user with this number may control this user's trainings: the same one, or root."""
    return user in (os.geteuid(), 0)


def peer_user(connection: socket.socket) -> int | None:
    """Return the number of the user at the other end; None where the system does not tell.

    Raises:
        OSError: The system should tell, and did not.
    """
    if sys.platform != "linux":
        # As on macOS: the mode 0600 of the socket's file alone keeps other users out.
        return None
    # man 7 unix: struct ucred { pid_t pid; uid_t uid; gid_t gid; }
    ucred = struct.Struct("=iII")
    _, user, _ = ucred.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size))
    return int(user)
