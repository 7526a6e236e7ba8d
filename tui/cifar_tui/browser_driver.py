"""The browser under the screens: Textual's driver for it, but never waited for; see also ``driver``."""

from __future__ import annotations

import asyncio
import select
import signal
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.drivers.web_driver import WebDriver
from textual.events import AppFocus

from cifar_tui.outlet import LIMIT, Outlet

if TYPE_CHECKING:
    from textual.app import App


class BrowserDriver(WebDriver):
    """Writes its packets through an ``Outlet``: a browser that has stopped reading holds up nothing.

    ``outlet`` must be set before an app is run with this driver; see ``driver.Terminal``.
    """

    outlet: ClassVar[Outlet]

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._write = partial(self._send)
        self._waiting = 0
        self._hung_up = select.poll()
        self._hung_up.register(self.outlet.fileno(), 0)  # which still tells of POLLERR: nobody reads the pipe

    @property
    def behind(self) -> bool:
        """Whether something written still waits for the browser."""
        return self.outlet.behind

    @property
    def gone(self) -> bool:
        """Whether the browser's tab, or the server between, is no longer there."""
        return self.outlet.gone or bool(self._hung_up.poll(0))

    def start_application_mode(self) -> None:
        """Begin to draw and to read keys; signals stay with who obeyed them before."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        super().start_application_mode()
        for number, handler in before.items():  # Textual's own would leave the screens and let trainings go on
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler)
        # Textual's begins as if nobody were looking, and so with an empty footer.
        self._app.call_later(self._app.post_message, AppFocus())

    def _send(self, packet: bytes) -> int:
        """Have a whole packet written, or left out whole; ``outlet.losses`` then tells to draw anew.

        The outlet itself would leave a line of words in its place, which is no packet: so it is never filled that far.
        """
        if not self.outlet.behind:
            self._waiting = 0
        if self._waiting + len(packet) > LIMIT // 2:
            self.outlet.losses += 1
        else:
            self._waiting += len(packet)
            self.outlet.write_bytes(packet)
        return len(packet)
