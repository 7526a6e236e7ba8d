"""Asking the process that works on a run to do something."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import stat
import time

from cifar_core.errors import CifarError, printable
from cifar_core.wording import shown
from cifar_experiments.live import protocol
from cifar_experiments.live.protocol import LONGEST_LINE, AnyLiveRequest, Set
from cifar_experiments.runs.folder import Run
from cifar_experiments.runs.lock import holder

PATIENCE_SECONDS = 5.0
"""How long the process may take to answer."""


_RETRY_SECONDS = 0.05


class NotControllableError(CifarError):
    """A run did not take a request in."""

    exit_code = 4


def ask(run: Run, request: AnyLiveRequest) -> None:
    """Send one request to the process that works on the run, and wait until it has been taken in.

    Raises:
        NotControllableError: It has not: nothing listens, what listens is not to be trusted or does not answer, or
            it refuses the request.
    """
    line = _line(request)
    called = printable(run.id)
    try:
        answer_line = _answered_soon(run, line)
    except FileNotFoundError:
        raise NotControllableError(f"{called} is not running here, or cannot be controlled from outside") from None
    except ConnectionRefusedError:
        raise NotControllableError(
            f"{called}: the process that listened at {printable(run.socket)} is gone, or runs on another host"
        ) from None
    except ConnectionResetError:
        raise NotControllableError(
            f"{called}: the process that works on it left without an answer: it ends, or too many ask it; try again"
        ) from None
    except (TimeoutError, BlockingIOError):  # The second is a queue of clients that is full.
        raise NotControllableError(
            f"{called}: the process that works on it did not answer within {PATIENCE_SECONDS:g} seconds; try again"
        ) from None
    except OSError as error:
        raise NotControllableError(
            f"{called}: cannot be controlled by {printable(run.socket)}: {error.strerror or error}"
        ) from None
    try:
        answer = protocol.to_answer(answer_line)
    except ValueError:
        answer = protocol.Answer()
    if answer.error is not None:
        raise NotControllableError(printable(answer.error)[: protocol.LONGEST_SENTENCE])
    if not answer.ok:
        raise NotControllableError(
            f"{called}: the answer from {printable(run.socket)} is not understood; "
            "does the same version of cifar-tui run there?"
        )


def _line(request: AnyLiveRequest) -> bytes:
    try:
        if isinstance(request, Set) and not math.isfinite(request.value):  # JSON has no such number.
            raise ValueError(f"{shown(request.key)} must be a finite number, not {request.value}")
        return protocol.to_line(request)
    except (ValueError, OverflowError) as error:  # The second is a whole number beyond all floats.
        raise NotControllableError(f"the request cannot be sent: {printable(error)}") from None


def _answered_soon(run: Run, line: bytes) -> bytes:
    """The same as ``_answered``, waiting for a process that has just taken the run over and will listen soon."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _answered(run, line)
        except (FileNotFoundError, ConnectionRefusedError):
            if holder(run) is None or time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def _answered(run: Run, line: bytes) -> bytes:
    """Send a line and return the one that answers it, or as much of it as a line may have.

    Raises:
        FileNotFoundError: There is no socket.
        ConnectionRefusedError: Nobody listens to it.
        ConnectionResetError: It was closed before there was a whole answer.
        TimeoutError: There was no whole answer in time.
        OSError: It is no socket, or is not to be trusted.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with protocol.opened(run) as directory, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        there = os.stat(run.socket.name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISSOCK(there.st_mode):
            raise OSError("it is no socket")
        if not protocol.is_trusted(there.st_uid):
            raise OSError("it belongs to another user")
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(protocol.address(run, directory))
        user = protocol.peer_user(connection)
        if user is not None and not protocol.is_trusted(user):
            raise OSError("another user listens there")
        with contextlib.suppress(BrokenPipeError):  # Closed at once, perhaps with a word why: read below.
            connection.sendall(line)
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < LONGEST_LINE:
            # Never 0, which would not wait, nor less.
            connection.settimeout(max(deadline - time.monotonic(), 1e-3))
            block = connection.recv(LONGEST_LINE - len(answer))
            if not block:
                raise ConnectionResetError
            answer += block
    return answer
