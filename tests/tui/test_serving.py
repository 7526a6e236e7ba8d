"""The server of the app in a browser: who gets in, what they get, and what becomes of an app whose tab is closed."""

import contextlib
import os
import re
import signal
import sys
from http.cookies import SimpleCookie

import aiohttp
import pytest
from aiohttp import web
from chromium import until

import cifar_tui
from cifar_core.errors import ConfigError
from cifar_tui import serving
from cifar_tui.browser_driver import BrowserDriver
from cifar_tui.cli import cli
from cifar_tui.driver import Terminal
from cifar_tui.outlet import LIMIT, Outlet

# An app that says when it is told to leave, in a file, and goes on as one that trains does.
APP = """
import os, signal, sys, time
signal.alarm(60)
open(sys.argv[1], "w").write(f"{os.getpid()} {os.getsid(0)}")
os.write(1, b"__GANGLION__\\n" + b"D" + (5).to_bytes(4, "big") + b"shown")
while chunk := os.read(0, 4096):
    with open(sys.argv[1], "a") as told:
        told.write(" told to leave" * (b'"quit"' in chunk))
while True:
    time.sleep(0.05)
"""


@contextlib.asynccontextmanager
async def served(*command):
    """A server on a port of its own."""
    with serving.listening(0) as listener:
        server = serving.LoopbackServer([sys.executable, "-c", *command], listener.getsockname()[1])
        runner = web.AppRunner(await server._make_app(), access_log=None, shutdown_timeout=5)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield server
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def visitor(server, **headers):
    """A client that keeps no cookies but those that it is given."""
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(server.public_url, headers=headers, cookie_jar=jar) as session:
        yield session


def test_nobody_beyond_this_machine_is_listened_to():
    with serving.listening(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_told_of_in_a_sentence():
    with serving.listening(0) as listener, pytest.raises(ConfigError, match="--port N takes another"):
        serving.listening(listener.getsockname()[1])


def test_without_textual_serve_the_command_names_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "cifar_tui.serving")
    monkeypatch.delattr(cifar_tui, "serving")
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    with pytest.raises(ConfigError, match=r"pip install 'cifar-tui\[serve\]'"):
        cli.main(["serve"], standalone_mode=False)


@pytest.mark.parametrize("arguments", [("nosuch",), ("quickstart", "nonsense")], ids=str)
def test_a_wrong_choice_is_told_of_before_anything_is_served(arguments):
    with pytest.raises(ConfigError):
        cli.main(["serve", *arguments], standalone_mode=False)


PATHS = ("/", "/page.js", "/static/js/textual.js", "/static/css/xterm.css", "/ws", "/nothing")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong", "?key=%ff%00"])
async def test_without_the_key_nothing_is_let_in(path, query):
    async with served("") as server, visitor(server) as client, client.get(path + query) as answer:
        assert answer.status == 403
        assert "open the address" in await answer.text()
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:{port}1", ""])
async def test_another_host_name_is_refused_in_spite_of_the_key(path, host):
    async with served("") as server, visitor(server, Host=host.format(port=server.port)) as client:
        answer = await client.get(path, params={"key": server.key})
        assert answer.status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "https://{host}", "null", None])
async def test_a_foreign_pages_websocket_is_refused_in_spite_of_the_cookie(origin):
    async with served("") as server:
        host = f"127.0.0.1:{server.port}"
        headers = {"Cookie": f"{server._cookie}={server.key}"}
        if origin is not None:
            headers["Origin"] = origin.format(host=host)
        async with visitor(server, **headers) as client:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/ws")
            assert refused.value.status == 403
        assert server.tabs == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_the_key_gets_the_page_and_the_cookie_all_that_the_page_needs(name):
    async with served("") as server:
        host = f"{name}:{server.port}"
        async with visitor(server, Host=host) as client, client.get("/", params={"key": server.key}) as answer:
            assert answer.status == 200
            page = await answer.text()
            [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
            assert cookie["httponly"]
            assert cookie["samesite"] == "Strict"
            assert f"ws://{host}/ws" in page
        async with visitor(server, Host=host, Cookie=f"{cookie.key}={cookie.value}") as client:
            needed = re.findall(r'(?:src|href)="(/[^"]*)"', page)
            assert "/static/js/textual.js" in needed
            for path in needed:
                async with client.get(path) as answer:
                    assert answer.status == 200
                    assert await answer.read()


async def test_the_page_names_no_foreign_host_and_may_load_from_none():
    async with served("") as server, visitor(server) as client:
        answer = await client.get("/", params={"key": server.key})
        page = await answer.text()
    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    ours = f"127.0.0.1:{server.port}"
    assert set(re.findall(r"//([^/\"'; ]+)", page + policy)) == {ours}
    assert "default-src 'none'" in policy
    assert "*" not in policy


async def test_folders_are_not_listed():
    async with served("") as server, visitor(server) as client:
        answer = await client.get("/static/", params={"key": server.key})
        assert answer.status == 403


async def test_two_servers_have_two_keys():
    async with served("") as one, served("") as other, visitor(one) as client:
        assert one._cookie != other._cookie
        answer = await client.get("/", params={"key": other.key})
        assert answer.status == 403


@contextlib.asynccontextmanager
async def a_tab(server):
    headers = {"Cookie": f"{server._cookie}={server.key}", "Origin": server.public_url}
    async with visitor(server, **headers) as client, client.ws_connect("/ws?width=90&height=30") as websocket:
        yield websocket


async def test_an_app_that_ends_closes_its_tab_and_its_last_words_reach_the_servers_terminal(capsys):
    async with served("import sys; sys.stderr.write('cifar-tui: no room on this disk')") as server:
        async with a_tab(server) as websocket:
            assert (await websocket.receive()).type == aiohttp.WSMsgType.CLOSE
        await until(lambda: server.tabs[0].process.returncode == 0)
    assert "no room on this disk" in capsys.readouterr().out


async def test_an_app_whose_tab_is_closed_is_told_so_and_goes_on_in_its_own_session(tmp_path):
    told = tmp_path / "told"
    async with served(APP, str(told)) as server:
        async with a_tab(server) as websocket:
            assert (await websocket.receive()).data == b"shown"
        await until(lambda: "told to leave" in told.read_text())
    [process] = [tab.process for tab in server.tabs]
    pid, session = map(int, told.read_text().split()[:2])
    assert pid == session == process.pid
    assert process.returncode is None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: process.returncode is not None)


async def test_a_server_that_ends_tells_its_apps_and_waits_for_none(tmp_path):
    told = tmp_path / "told"
    async with contextlib.AsyncExitStack() as stack:
        async with served(APP, str(told)) as server:
            websocket = await stack.enter_async_context(a_tab(server))
            assert (await websocket.receive()).data == b"shown"
        assert "told to leave" in told.read_text()
        assert (await websocket.receive()).type == aiohttp.WSMsgType.CLOSE
    [process] = [tab.process for tab in server.tabs]
    assert process.returncode is None
    os.kill(process.pid, signal.SIGKILL)
    await until(lambda: process.returncode is not None)


def packets(data):
    """The payloads in a stream of packets; fails where it is none."""
    while data:
        assert data[:1] == b"D"
        size = int.from_bytes(data[1:5], "big")
        assert len(data) >= 5 + size
        yield data[5 : 5 + size]
        data = data[5 + size :]


async def test_a_browser_that_reads_nothing_gets_whole_packets_or_none(tmp_path, monkeypatch):
    near, far = os.pipe()
    with (tmp_path / "log").open("wb") as log:
        outlet = Outlet(far, "utf-8", log.fileno())
        monkeypatch.setattr(BrowserDriver, "outlet", outlet, raising=False)
        monkeypatch.setattr("textual.drivers.web_driver.InputReader", lambda: None)
        driver = BrowserDriver(None)
        assert isinstance(driver, Terminal)
        frame = "x" * 50_000
        for _ in range(4 * LIMIT // len(frame)):
            driver.write(frame)
        assert driver.behind
        assert not driver.gone
        assert outlet.losses > 0
        received = b""
        while driver.behind:
            received += os.read(near, 1 << 20)
        driver.write("last")
        outlet.finish()
        received += os.read(near, 1 << 20)
        assert {len(payload) for payload in packets(received)} == {len(frame), 4}
        assert len(received) <= LIMIT
        os.close(near)
        assert driver.gone
        outlet.close()
    os.close(far)
