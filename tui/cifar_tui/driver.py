"""The terminal under the screens: Textual's driver, but never waited for, and left in order whatever happens."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import time
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from textual.drivers.linux_driver import LinuxDriver

from cifar_tui.compact import compact
from cifar_tui.outlet import Outlet

if TYPE_CHECKING:
    from textual.app import App

_LAST_FRAME_SECONDS = 0.5
"""How long a terminal may take to read the last of what was written: the sequences that restore it."""


@runtime_checkable
class Terminal(Protocol):
    """A driver whose writes are never waited for."""

    outlet: ClassVar[Outlet]

    @property
    def behind(self) -> bool:
        """Whether something written still waits for the reader."""

    @property
    def gone(self) -> bool:
        """Whether nobody will read any more."""


class Driver(LinuxDriver):
    """Writes through an ``Outlet``: a terminal that has stopped reading holds up nothing, and grows no memory.

    Textual's own queue has room for 30 writes, and its event loop waits when that is full. Here whoever draws asks
    ``behind`` first; should something have been left out all the same, ``outlet.losses`` tells that the screen has to
    be drawn anew. ``outlet`` must be set before an app is run with this driver; since descriptors 1 and 2 lead into a
    log then, it is also what knows the terminal's size.
    """

    outlet: ClassVar[Outlet]

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._hung_up = select.poll()
        self._hung_up.register(self.fileno, 0)  # which still tells of POLLHUP and POLLERR

    def write(self, data: str) -> None:
        """Have ``data`` written, without waiting for it."""
        self.outlet.write(compact(data))

    @property
    def behind(self) -> bool:
        """Whether something written still waits for the terminal."""
        return self.outlet.behind

    @property
    def gone(self) -> bool:
        """Whether the terminal is no longer there: its window was closed, or its connection lost."""
        return self.outlet.gone or bool(self._hung_up.poll(0))

    def stop_application_mode(self) -> None:
        """Restore the terminal; wait a moment for it to be told so."""
        super().stop_application_mode()
        self.settle()

    def settle(self) -> None:
        """Wait until everything written has gone out, at most for half a second."""
        latest = time.monotonic() + _LAST_FRAME_SECONDS
        while self.outlet.behind and time.monotonic() < latest:
            time.sleep(0.005)

    def _get_terminal_size(self) -> tuple[int, int]:
        with contextlib.suppress(OSError, ValueError):
            columns, rows = os.get_terminal_size(self.outlet.fileno())
            if columns and rows:
                return columns, rows
        size = shutil.get_terminal_size()
        return size.columns, size.lines
