"""The way to whoever reads what a training writes, which no training ever waits for."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import queue
import select
import threading

# What waits for a reader that has stopped, at most: hours of lines, and nothing to the memory of a training.
LIMIT = 1 << 20

# The waits below are cut in slices, because Python runs the handler of a signal only between two of them
# when another thread was the one to receive it.
SLICE_SECONDS = 0.2


class Outlet(io.TextIOBase):
    """A text stream that never waits for its reader, and falls silent once it cannot be written.

    A thread, started by the first write, does the writing; a terminal that has stopped reading holds up
    that thread and nobody else. Beyond ``LIMIT`` waiting bytes whole calls are left out, which a line
    in their place says. Every method may be called from every thread; signal handlers may write.
    """

    # A signal handler runs in the midst of whatever the main thread is doing, this class's own code
    # included. Were there a lock to wait for, the handler would wait for the very code that it interrupts;
    # with a re-entrant one it would find that code's counters half changed. So nobody waits: a call lays
    # its bytes into _arrived, whose put() is made for signal handlers, and sorts what lies there unless
    # somebody is at it. Whoever is at it looks once more after having let go of _sorting, so nothing stays
    # behind; an interrupted sorter finds the handler's bytes as soon as the handler has returned.
    #
    # Each counter has one writer at a time: _accepted and _left_out whoever holds _sorting, _gone the thread.

    def __init__(self, descriptor: int, encoding: str, log: int) -> None:
        self._descriptor: int | None = descriptor
        self._encoding = encoding
        self._log = log
        self._arrived: queue.SimpleQueue[bytes | queue.SimpleQueue[None]] = queue.SimpleQueue()
        self._sorting = threading.Lock()
        self._leaving: queue.SimpleQueue[bytes | queue.SimpleQueue[None] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._accepted = 0
        self._gone = 0
        self._left_out = 0
        self._line_ended = True
        self.losses = 0
        """How many times something was left out."""
        self.failure: str | None = None
        """Why nothing more is written, unless it is that the reader has left; None while all is well."""

    def say(self, text: str) -> None:
        """Write ``text`` and a line feed, here and to the log: for words that are worth keeping."""
        self.write(f"{text}\n")
        self.keep(f"{text}\n")

    def keep(self, text: str) -> None:
        """Write ``text`` to the log alone; a log that cannot be written is no reason to end a training."""
        if not text or self.closed:  # and so is the log: its descriptor may lead into another file by now
            return
        with contextlib.suppress(OSError):
            os.write(self._log, text.encode(errors="replace"))

    def write(self, text: str, /) -> int:
        """Have ``text`` written, without waiting for it."""
        self.write_bytes(text.encode(self._encoding, errors="replace"))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Have bytes written as they are, without waiting for it."""
        if data:
            self._arrive(data)

    def flush(self) -> None:
        """Do nothing: what was written is on its way, and ``finish`` is for those who want to wait."""

    @property
    def behind(self) -> bool:
        """Whether something written still waits for its reader."""
        return self._descriptor is not None and self._accepted > self._gone

    @property
    def gone(self) -> bool:
        """Whether nothing can be written any longer: the reader has left, or the disk is full."""
        return self._descriptor is None

    def finish(self) -> None:
        """Wait until everything written so far has gone out or failed, however slow the reader is.

        Signal handlers run meanwhile, but must not call this: the code that they interrupt may be what
        they would wait for.
        """
        passed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._arrive(passed)
        while self._descriptor is not None:
            with contextlib.suppress(queue.Empty):
                passed.get(timeout=SLICE_SECONDS)
                return

    def close(self) -> None:
        """Finish and end the thread; what is written or kept later is dropped."""
        self.finish()
        self._leaving.put(None)
        while self._writer is not None and self._writer.is_alive():
            self._writer.join(SLICE_SECONDS)
        self._descriptor = None
        super().close()

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        descriptor = self._descriptor
        return descriptor is not None and os.isatty(descriptor)

    def fileno(self) -> int:
        """The descriptor, for those who ask a terminal for its size."""
        descriptor = self._descriptor
        if descriptor is None:
            raise io.UnsupportedOperation("nobody reads here any longer")
        return descriptor

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What characters can be written, for those who choose between Unicode and ASCII."""
        return self._encoding

    def _arrive(self, item: bytes | queue.SimpleQueue[None]) -> None:
        if self._descriptor is None:
            return
        self._arrived.put(item)
        while not self._arrived.empty() and self._sorting.acquire(blocking=False):
            try:
                while not self._arrived.empty():
                    self._sort(self._arrived.get())
            finally:
                self._sorting.release()

    def _sort(self, item: bytes | queue.SimpleQueue[None]) -> None:
        """Send on bytes, or leave them out; send on who wants to know when all before has gone."""
        if not isinstance(item, bytes):
            self._own_up()
            if self._writer is None:  # nothing has gone before
                item.put(None)
            else:
                self._leaving.put(item)
            return
        # Half of the room must be free again, or a slow reader would get a line about every other line.
        if self._accepted - self._gone > (LIMIT // 2 if self._left_out else LIMIT):
            self._left_out += len(item)
            return
        self._own_up()
        self._send(item)

    def _own_up(self) -> None:
        """Say in a line of its own how much was left out, if anything was."""
        if not self._left_out:
            return
        words = f"[... {self._left_out:,} bytes left out: nobody was reading; the run's folder has it all]\n"
        self._left_out = 0
        self.losses += 1
        self._send((words if self._line_ended else f"\n{words}").encode(self._encoding, errors="replace"))

    def _send(self, data: bytes) -> None:
        if self._writer is None and self._descriptor is not None:
            # The thread has a descriptor of its own and closes it itself: whoever closes the other one while
            # it writes does not make it write into the file that gets the number next.
            own = os.dup(self._descriptor)
            self._writer = threading.Thread(target=self._write_all, args=(own,), name="outlet", daemon=True)
            self._writer.start()
        self._line_ended = data.endswith(b"\n")
        self._accepted += len(data)
        self._leaving.put(data)

    def _write_all(self, descriptor: int) -> None:
        """Write what leaves until nothing more does or can."""
        try:
            try:
                while (item := self._leaving.get()) is not None:
                    if isinstance(item, bytes):
                        self._write_whole(descriptor, item)
                    else:
                        item.put(None)
            finally:
                os.close(descriptor)  # inside: some file systems tell only now that a disk is full
        except OSError as error:
            # A pipe without reader is EPIPE, a terminal whose window or connection was closed EIO.
            self.failure = None if error.errno in (errno.EPIPE, errno.EIO) else error.strerror
        finally:
            self._descriptor = None  # the last act: whoever waits in finish() looks at it

    def _write_whole(self, descriptor: int, rest: bytes) -> None:
        while rest:
            try:
                written = os.write(descriptor, rest)
            except BlockingIOError:  # somebody made it non-blocking; it is the same terminal for all its users
                select.select([], [descriptor], [])
            else:
                rest = rest[written:]
                self._gone += written
