"""The app in a browser: a server on loopback that lets nobody in but who was given its key."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shlex
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, cast

import aiohttp_jinja2
import jinja2
import platformdirs
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from cifar_core.errors import ConfigError

LOOPBACK = "127.0.0.1"

_LAST_WORDS_SECONDS = 1.0
"""How long an app that has lost its tab may take to end, before what it says is read no longer."""

_REFUSAL = "cifar-tui: open the address that cifar-tui serve has printed, its key included\n"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def listening(port: int) -> socket.socket:
    """Return a socket that listens to this machine alone; ``port`` 0 is any free one.

    Raises:
        ConfigError: The port cannot be had.
    """
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        why = f"port {port} of {LOOPBACK} cannot be had: {os.strerror(error.errno or 0)}"
        raise ConfigError(f"{why}; --port N takes another one, --port 0 any free one") from None


class Tab(AppService):
    """One browser tab and the app in it, whose process has a session of its own and is never ended by force.

    The process that textual-serve itself starts is killed when the server ends, and waited for when the tab is closed.
    Here its pipes are closed, and what it trains goes on without them.
    """

    process: subprocess.Popen[bytes]

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        self.process = subprocess.Popen(  # noqa: S603, ASYNC220, this program itself, which is not waited for
            shlex.split(self.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self._build_environment(width, height), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
        )
        threading.Thread(target=self.process.wait, name="tab", daemon=True).start()
        self._stdin = await _writer(self.process.stdin)
        (out, reading), (err, hearing) = await _reader(self.process.stdout), await _reader(self.process.stderr)
        self._pipes = (self._stdin.transport, reading, hearing)
        self._process = cast(asyncio.subprocess.Process, SimpleNamespace(stdout=out, stderr=err))
        return self._process

    async def run(self) -> None:
        """Show the app until it ends, then say so in the tab, however it ended."""
        await super().run()
        await self.remote_close()

    async def stop(self) -> None:
        """Have the app leave its screens, and let go of it."""
        task, self._task = self._task, None
        if task is None:
            return
        self.stdin.write(self.encode_packet(b"M", b'{"type": "quit"}'))
        await asyncio.wait([task], timeout=_LAST_WORDS_SECONDS)
        for pipe in self._pipes:
            pipe.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class LoopbackServer(Server):
    """Serves the app's page, what belongs to it, and nothing else, to those who have the key.

    Args:
        command: Starts the app for one tab.
        port: Where ``listening`` listens.
    """

    def __init__(self, command: Sequence[str], port: int) -> None:
        super().__init__(shlex.join(command), LOOPBACK, port, templates_path=Path(__file__).with_name("pages"))
        self.key = secrets.token_urlsafe(24)
        self.tabs: list[Tab] = []
        self._sockets: set[web.WebSocketResponse] = set()
        self._cookie = f"cifar-tui-{port}"  # browsers keep the cookies of all ports of a host together
        self._hosts = {f"{name}:{port}".removesuffix(":80") for name in (LOOPBACK, "localhost")}

    @property
    def address(self) -> str:
        """What the user opens."""
        return f"{self.public_url}/?key={self.key}"

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM."""
        _log_to_a_file()
        web.run_app(self._make_app(), sock=listener, print=None, access_log=None, shutdown_timeout=3)

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._admit])
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path))
        app.add_routes(
            [
                web.get("/", self.handle_index),
                web.get("/page.js", self.handle_script),
                web.get("/ws", self.handle_websocket),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_response_prepare.append(_keep_to_ourselves)
        app.on_shutdown.append(self._close)
        return app

    @web.middleware
    async def _admit(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let in who has the key and has come by our own name, so by no foreign page or resolver."""
        given = request.query.get("key") or request.cookies.get(self._cookie, "")
        known = secrets.compare_digest(given.encode(errors="replace"), self.key.encode())
        origin = request.headers.get("Origin")
        same = origin == f"http://{request.host}" or (origin is None and request.path != "/ws")
        if not (known and same and request.host in self._hosts):
            raise web.HTTPForbidden(text=_REFUSAL)
        return await handler(request)

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """Return the page, and the cookie that its websocket will carry."""
        response = aiohttp_jinja2.render_template("app_index.html", request, {"host": request.host})
        response.set_cookie(self._cookie, self.key, httponly=True, samesite="Strict")
        return response

    async def handle_script(self, _request: web.Request) -> web.StreamResponse:
        """Return what the page does beside showing the terminal."""
        return web.FileResponse(self.templates_path / "page.js")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run the app for one tab until either leaves."""
        websocket = web.WebSocketResponse(heartbeat=15, timeout=1)

        async def close() -> None:
            await websocket.close()

        await websocket.prepare(request)
        self._sockets.add(websocket)
        tab = Tab(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        try:
            await tab.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
            self.tabs.append(tab)
            await self._process_messages(websocket, tab)
        finally:
            self._sockets.discard(websocket)
            await tab.stop()
        return websocket

    async def _close(self, _app: web.Application) -> None:
        await asyncio.gather(*(websocket.close() for websocket in self._sockets))


async def _keep_to_ourselves(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser load and frame nothing foreign, and tell nobody the address."""
    sources = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src data:"
    ours = f"connect-src 'self' ws://{request.host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    response.headers["Content-Security-Policy"] = f"{sources}; {ours}"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"


def _log_to_a_file() -> None:
    """Keep what libraries have to say out of the terminal."""
    with contextlib.suppress(OSError):
        folder = platformdirs.user_log_path("cifar-tui", appauthor=False, ensure_exists=True)
        logging.basicConfig(filename=folder / "serving.txt", filemode="w", level=logging.WARNING)


async def _reader(pipe: IO[bytes] | None) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader()
    make = partial(asyncio.StreamReaderProtocol, reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(make, pipe)
    return reader, transport


async def _writer(pipe: IO[bytes] | None) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    make = partial(asyncio.StreamReaderProtocol, asyncio.StreamReader())  # whose flow control a writer needs
    transport, protocol = await loop.connect_write_pipe(make, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)
