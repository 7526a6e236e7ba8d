"""The run folder's lock: one process at a time works on a run, on whatever machine it is.

The lock file is made once and never deleted, for a file that comes and goes can be locked twice. It holds one line
that says who works on the run, or nothing. That line is the lock. A system's lock on the file is held only while the
line is read and changed: every process that a data loader forks would inherit it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from cifar_core.errors import printable
from cifar_experiments.errors import RunFolderError
from cifar_experiments.runs.folder import Run, called

HEARTBEAT_SECONDS = 15.0  # between the signs of life of a process that works on a run
STALE_SECONDS = 120.0  # without one after which a process that cannot be looked at counts as gone
TURN_SECONDS = 5.0  # to wait while another process reads and changes the lock
_LONGEST_LINE = 4096
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class RunLockedError(RunFolderError):
    """Another process works on the run."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that works on a run."""

    host: str
    pid: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    since: Annotated[float, msgspec.Meta(ge=0, lt=1e11)]  # in seconds since 1970-01-01 UTC
    started: float  # the process itself, on a scale of its machine's own; a later one with its pid differs in this
    boot: str  # the time from the start of its machine to the next, "" where that has no name
    namespace: str  # what its pid is counted in, such as a container, "" where that has no name
    token: str  # its own, for this one time that it works on the run


class Lock:
    """What a process holds while it works on a run; ``lost`` is the sentence that says who took it, if anybody did."""

    lost = ""

    def check(self) -> None:
        """Return at once unless the lock was lost, as far as the last heartbeat knows.

        Raises:
            RunFolderError: Another process has taken the run over.
        """
        if self.lost:
            raise RunFolderError(self.lost)


@contextlib.contextmanager
def locked(run: Run) -> Iterator[Lock]:
    """Be the one process that works on a run; one that died over it is no hindrance.

    Raises:
        RunLockedError: Another process works on it, or this one does already.
        RunFolderError: The lock's file cannot be written.
    """
    mine = _this_process()
    lock, ended = Lock(), threading.Event()
    heart = threading.Thread(target=_beat, args=(run, mine, lock, ended), name="run-lock", daemon=True)
    _take(run, mine)
    try:
        heart.start()
        yield lock
    finally:
        # A forked child may leave through here too: neither the thread nor the lock is its own.
        if os.getpid() == mine.pid:
            ended.set()
            _release(run, mine)
            heart.join()  # after the release: a thread that could not be started cannot be joined either


def holder(run: Run) -> Holder | None:
    """Return the process that works on a run now; None when none does, or when that cannot be read."""
    try:
        with _opened(run, os.O_RDONLY) as descriptor:
            # By this machine's clock, which may differ from a file server's: to ask for that one is to write there.
            return _working(descriptor, _this_process(), time.time)
    except OSError:
        return None


def _take(run: Run, mine: Holder) -> None:
    try:
        with _opened(run, os.O_RDWR | os.O_CREAT) as descriptor, _turn(run, descriptor):
            if other := _working(descriptor, mine, lambda: _folder_time(run)):
                since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(other.since))
                raise RunLockedError(_said_of(other, run, f"has worked on it since {since}"))
            line = msgspec.json.encode(mine) + b"\n"
            # In this order a reader's first line is the old one or the new one, never nothing.
            os.pwrite(descriptor, line, 0)
            os.ftruncate(descriptor, len(line))
    except OSError as error:
        what = f"the run cannot be locked: {error.strerror}; let this be a plain file that can be written"
        raise RunFolderError(f"{printable(run.lock)}: {what}") from None


def _beat(run: Run, mine: Holder, lock: Lock, ended: threading.Event) -> None:
    """Show that this process lives, until ``ended`` or the lock is lost."""
    while not lock.lost and not ended.wait(HEARTBEAT_SECONDS):
        # A network may fail for a moment; whether the lock was lost meanwhile is seen the next time.
        with contextlib.suppress(OSError), _opened(run, os.O_RDWR) as descriptor:
            found = _read(descriptor)
            if found is not None and found.token == mine.token:
                os.utime(descriptor)  # with no time given, a network file system's server sets its own
            else:
                lock.lost = _said_of(found, run, "has taken the run over")


def _release(run: Run, mine: Holder) -> None:
    # Where this fails, for the folder was removed or so, the line is stale as soon as this process has ended.
    suppressed = contextlib.suppress(OSError, RunLockedError)
    with suppressed, _opened(run, os.O_RDWR) as descriptor, _turn(run, descriptor):
        found = _read(descriptor)
        if found is not None and found.token == mine.token:
            os.ftruncate(descriptor, 0)


def _said_of(other: Holder | None, run: Run, does: str) -> str:
    who = f"process {other.pid} on {printable(other.host)}" if other else "another process"
    return f"{printable(run.path)}: {who} {does}; cifar-tui attach {printable(called(run))} follows it"


@contextlib.contextmanager
def _opened(run: Run, flags: int) -> Iterator[int]:
    """Hold the lock's file open, if it is a plain one. To open it anew each time tells what became of it meanwhile."""
    # Without O_NONBLOCK, opening a pipe would wait for somebody at its other end.
    descriptor = os.open(run.lock, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _turn(run: Run, descriptor: int) -> Iterator[None]:
    """Be the only one that reads and changes the lock's file, where the file system can see to that."""
    latest = time.monotonic() + TURN_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= latest:
                what = "another process is taking it right now; try again in a moment"
                raise RunLockedError(f"{printable(run.path)}: {what}") from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            break
    try:
        yield
    finally:
        # To close the file is not enough: a child that was forked meanwhile has it open too.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _read(descriptor: int) -> Holder | None:
    """Return whom the lock's file names; None when it is empty, or its line torn by its writer's death."""
    line, end, _ = os.pread(descriptor, _LONGEST_LINE, 0).partition(b"\n")
    try:
        return msgspec.json.decode(line, type=Holder) if end else None
    except (ValueError, RecursionError):
        return None


def _working(descriptor: int, me: Holder, now: Callable[[], float]) -> Holder | None:
    """Return whom the lock's file names, if that process lives; where it cannot be looked at, its heartbeat tells."""
    found = _read(descriptor)
    if found is None:
        return None
    silence = STALE_SECONDS
    if (found.host, found.namespace) == (me.host, me.namespace):
        if found.boot == me.boot:
            return found if found.started == _started(found.pid) else None
        # This machine before it was started anew; or another one that has its name, and lives.
        silence = min(silence, _seconds_since_boot())
    return found if now() - os.fstat(descriptor).st_mtime <= silence else None


def _seconds_since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else STALE_SECONDS


def _folder_time(run: Run) -> float:
    """What time it is by the clock that sets the time of a heartbeat, the one of the folder's file system."""
    with tempfile.TemporaryFile(dir=run.path) as file:
        os.utime(file.fileno())
        return os.fstat(file.fileno()).st_mtime


def _this_process() -> Holder:
    pid, boot, namespace = os.getpid(), "", ""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may lack them
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    started = _started(pid) or 0.0
    return Holder(socket.gethostname(), pid, time.time(), started, boot, namespace, secrets.token_hex(8))


def _started(pid: int) -> float | None:
    """When a process of this machine was started; None where there is none, or a dead one not yet waited for."""
    if sys.platform == "linux":
        try:
            # Not psutil's time, which is reckoned from a clock that may be set meanwhile.
            described = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        # Before the last bracket stands a name, which may hold anything; see proc_pid_stat(5).
        state, *fields = described.rpartition(b")")[2].split()
        return None if state in (b"Z", b"X") else float(fields[18])
    else:  # noqa: RET505 -- without it, mypy takes what follows for unreachable
        import psutil

        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
        except psutil.Error:
            return None
