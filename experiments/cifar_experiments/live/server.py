"""Requests from other processes of this user, obeyed while a training goes on.

Whatever comes over the socket, the training goes on undisturbed: nothing that a client does raises or prints
anything here, and what a client may take up of time, memory and descriptors has bounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from cifar_core.control import Control
from cifar_core.errors import printable
from cifar_core.wording import shown
from cifar_experiments.live import protocol
from cifar_experiments.live.protocol import (
    LONGEST_LINE,
    Answer,
    AnyLiveRequest,
    Checkpoint,
    Pause,
    Resume,
    Set,
    Stop,
    TogglePause,
)
from cifar_experiments.runs.folder import Run

PATIENCE_SECONDS = 10.0
"""How long a client may take to send one line and to take its answer."""

MOST_CONNECTIONS = 16
"""How many clients are listened to at a time."""

_RETRY_SECONDS = 1.0


@asynccontextmanager
async def listening(run: Run, control: Control) -> AsyncIterator[str | None]:
    """Obey requests from other processes of this user while the context lasts.

    To be entered by the process that holds the run's lock: a socket that another one has left is replaced.

    Yields:
        None, or one sentence why the run cannot be controlled from outside; the training goes on all the same.
    """
    async with contextlib.AsyncExitStack() as held:
        why_not = None
        try:
            listener = held.enter_context(_bound(run))
        except FileExistsError:
            why_not = "something that is no socket has that name; move it away"
        except OSError as error:
            why_not = f"{error.strerror or error}; --runs-dir or CIFAR_TUI_RUNS names another folder"
        else:
            await held.enter_async_context(_obeying(listener, control))
        yield why_not and f"{printable(run.socket)}: the run cannot be controlled from outside: {why_not}"


@contextlib.contextmanager
def _bound(run: Run) -> Iterator[socket.socket]:
    """A socket that listens in the run's folder, for this user alone, and is gone from there afterwards.

    Raises:
        FileExistsError: Something that is no socket has its name.
        OSError: The folder cannot hold a socket.
    """
    name = run.socket.name
    # Not asyncio's own servers: from Python 3.13 on they remove the socket's file by its path, and log it when
    # they cannot, though that path may mean something else by then.
    with protocol.opened(run) as directory, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(_about(directory, name).st_mode):
                raise FileExistsError
            os.unlink(name, dir_fd=directory)
        listener.bind(protocol.address(run, directory))
        ours = _about(directory, name)
        try:
            # Until it listens nobody can connect, so that nobody can before the mode is right.
            os.chmod(name, 0o600, dir_fd=directory)
            listener.listen(MOST_CONNECTIONS)
            listener.setblocking(False)
            yield listener
        finally:
            # While it is bound its file's number is given to no other file.
            with contextlib.suppress(OSError):
                if os.path.samestat(_about(directory, name), ours):
                    os.unlink(name, dir_fd=directory)


def _about(directory: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


@asynccontextmanager
async def _obeying(listener: socket.socket, control: Control) -> AsyncIterator[None]:
    accepting = asyncio.create_task(_accept(listener, control))
    try:
        yield
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)


async def _accept(listener: socket.socket, control: Control) -> None:
    """Serve those who connect, until cancelled; then no connection is left."""
    connections: dict[asyncio.Task[None], socket.socket] = {}

    def ended(task: asyncio.Task[None]) -> None:
        # The socket is closed here, because a task that is cancelled before it begins runs nothing of itself.
        connections.pop(task).close()
        if not task.cancelled():
            task.exception()  # Asked for, so that asyncio does not print it.

    try:
        while True:
            await _readable(listener)
            try:
                connection, _ = listener.accept()
            except OSError:
                # The client has gone again, or no descriptor is free: then trying at once would be trying for ever.
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if len(connections) >= MOST_CONNECTIONS:
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.create_task(_serve(connection, control))
            connections[task] = connection
            task.add_done_callback(ended)
    finally:
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _readable(listener: socket.socket) -> None:
    """Wait until somebody connects. The loop's ``sock_accept`` could lose a connection when it is cancelled."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(listener.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(listener.fileno())


def obey(request: AnyLiveRequest, control: Control) -> str | None:
    """Ask a training of this process for what a request says; return one sentence why not, or None."""
    match request:
        case Pause():
            control.pause()
        case Resume():
            control.resume()
        case TogglePause():
            control.toggle_pause()
        case Stop(after_epoch=True):
            control.stop_after_epoch()
        case Stop():
            control.stop()
        case Checkpoint():
            control.checkpoint()
        case Set(key=key, value=value):
            return _set(key, value, control)
    return None


async def _serve(connection: socket.socket, control: Control) -> None:
    """Answer one client, line by line, until it leaves, sends too long a line, or takes too long."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):  # The client has gone, or took too long (a TimeoutError is one).
        user = protocol.peer_user(connection)
        if user is not None and not protocol.is_trusted(user):
            refusal = Answer(error="only the owner of the run and root may control it")
            await loop.sock_sendall(connection, protocol.to_line(refusal))
            return
        rest = b""
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                line, rest = await _next_line(connection, rest)
                if not line:
                    return
                await loop.sock_sendall(connection, protocol.to_line(_obey(line, control)))
            if not line.endswith(b"\n"):
                return
            # A client that sends without end lets the loop do its other work between two lines.
            await asyncio.sleep(0)


async def _next_line(connection: socket.socket, received: bytes) -> tuple[bytes, bytes]:
    """Return the next line and what was received after it.

    The line is empty when no whole one comes any more, and has no line feed when it is too long.
    """
    loop = asyncio.get_running_loop()
    while b"\n" not in received and len(received) < LONGEST_LINE:
        block = await loop.sock_recv(connection, LONGEST_LINE - len(received))
        if not block:
            return b"", b""
        received += block
    line, line_feed, rest = received.partition(b"\n")
    return line + line_feed, rest


def _obey(line: bytes, control: Control) -> Answer:
    """Do what a line asks for, or say why not."""
    if not line.endswith(b"\n"):
        return _refused(f"a request has at most {LONGEST_LINE} bytes, its line feed among them")
    try:
        request = protocol.to_request(line)
    except (ValueError, RecursionError) as error:
        return _refused(f"the request is not understood: {error}")
    why_not = obey(request, control)
    return Answer(ok=True) if why_not is None else _refused(why_not)


def _set(key: str, value: float, control: Control) -> str | None:
    changes = {
        "optimizer.lr": control.change_learning_rate,
        "training.checkpoint_minutes": control.change_checkpoint_minutes,
    }
    if key not in changes:
        return f"{shown(key)} cannot be set while a run trains; what can be set: {', '.join(changes)}"
    try:
        changes[key](value)
    except ValueError as error:
        return f"{key}: {error}"
    return None


def _refused(sentence: str) -> Answer:
    return Answer(error=printable(sentence)[: protocol.LONGEST_SENTENCE])
