"""A real browser without a window, driven over its DevTools protocol."""

import asyncio
import base64
import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import aiohttp

PATIENCE = 30
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
# The page keeps its terminal to itself; this tells where it is.
REVEAL = """Object.defineProperty(Object.prototype, "fitAddon", {
  configurable: true,
  set(value) {
    Object.defineProperty(this, "fitAddon", {value, writable: true});
    window.revealed = this;
  },
});"""
TEXT = """(() => {
  const terminal = window.revealed?.terminal;
  if (!terminal) return "";
  const lines = [...Array(terminal.rows).keys()].map((row) => terminal.buffer.active.getLine(row));
  return lines.map((line) => line?.translateToString(true) ?? "").join("\\n");
})()"""


@contextlib.asynccontextmanager
async def browser(environment):
    """Start one; yields what opens a page in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        arguments = [PROGRAM, *FLAGS, f"--user-data-dir={folder}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(arguments, env=environment, start_new_session=True, **quiet)  # noqa: ASYNC220, at once
        try:
            told = Path(folder) / "DevToolsActivePort"
            await until(lambda: told.exists() and "\n" in told.read_text())
            async with aiohttp.ClientSession(f"http://127.0.0.1:{told.read_text().split()[0]}") as session:
                yield lambda address, **size: page(session, address, **size)
        finally:
            process.kill()
            process.wait()


@contextlib.asynccontextmanager
async def page(session, address, *, width=1280, height=800):
    """Open an address in a tab, which is closed in the end."""
    async with session.put("/json/new?about:blank") as response:
        target = await response.json()
    try:
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            shown = Page(socket)
            await shown.ask("Network.enable")
            await shown.ask("Page.enable")
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            await shown.ask("Emulation.setDeviceMetricsOverride", **size)
            await shown.ask("Page.addScriptToEvaluateOnNewDocument", source=REVEAL)
            await shown.ask("Page.navigate", url=address)
            yield shown
    finally:
        async with session.get(f"/json/close/{target['id']}") as response:
            await response.read()


async def until(condition):
    """Wait for a condition, which may be a coroutine function; fails the test when it does not come."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.05)


class Page:
    """A tab; ``requested`` are the addresses that it has asked for."""

    def __init__(self, socket):
        self._socket = socket
        self._count = 0
        self.requested = []

    async def ask(self, method, **params):
        self._count += 1
        await self._socket.send_json({"id": self._count, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self._socket.receive_json()
                if message.get("method") == "Network.requestWillBeSent":
                    self.requested.append(message["params"]["request"]["url"])
                elif message.get("method") == "Network.webSocketCreated":
                    self.requested.append(message["params"]["url"])
                elif message.get("id") == self._count:
                    assert "error" not in message, message
                    return message["result"]

    async def value(self, script):
        return (await self.ask("Runtime.evaluate", expression=script))["result"].get("value")

    async def text(self):
        """What the terminal shows, a line a row."""
        return await self.value(TEXT)

    async def shows(self, words):
        """Wait until the terminal shows words; its text then."""
        text = ""

        async def there():
            nonlocal text
            text = await self.text()
            return words in text

        try:
            await until(there)
        except TimeoutError:
            raise AssertionError(f"{words!r} is not in\n{text}") from None
        return text

    async def press(self, key, text=None, code=None):
        """Press a key: a character, or the name of one with what it types and its code."""
        pressed = {"key": key, "text": key if text is None else text, "windowsVirtualKeyCode": code or ord(key.upper())}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", **pressed)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def picture(self):
        return base64.b64decode((await self.ask("Page.captureScreenshot", format="png"))["data"])
