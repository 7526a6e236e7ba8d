"""The app in a real browser: what it shows, and what becomes of it when its tab is closed."""

import contextlib
import json
import signal
import subprocess
import sys

import chromium
import psutil
import pytest
from chromium import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="no chromium, chromium-browser or google-chrome here"),
]


@contextlib.contextmanager
def serving(home, folder, *arguments):
    """The command, its address, and the processes of its tabs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cifar_tui", "serve", "--port", "0", "--runs-dir", str(folder / "runs"), *arguments],
        env=home,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    apps = []
    try:
        yield process, process.stdout.readline().split()[-1], apps
    finally:
        for app in apps:
            with contextlib.suppress(psutil.NoSuchProcess):
                app.kill()
        process.kill()
        process.wait()
        process.stdout.close()


async def app_of(process, apps):
    """The process that the server has started for a tab."""
    [app] = await until(lambda: psutil.Process(process.pid).children())
    apps.append(app)
    return app


def ended(app):
    return not app.is_running() or app.status() == psutil.STATUS_ZOMBIE


def interrupted(process):
    """Press Ctrl+C: what the command said, having ended."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said


async def test_a_browser_shows_the_app_loads_nothing_foreign_and_ends_it_with_its_tab(home, tmp_path):
    with serving(home, tmp_path, "quickstart") as (process, address, apps):
        async with chromium.browser(home) as opened:
            async with opened(address) as page:
                app = await app_of(process, apps)
                await page.shows("quickstart")
                await page.shows("quit")
                assert await page.value("location.search") == ""
                await page.press("?")
                await page.shows("esc closes")
                await page.press("Escape", "\x1b", 27)
                await until(lambda: without(page, "esc closes"))
                origin = address.partition("/?")[0]
                ours = (f"{origin}/", f"{origin.replace('http', 'ws')}/ws?", "data:")
                assert [url for url in page.requested if not url.startswith(ours)] == []
            await until(lambda: ended(app))

            async with opened(address) as page:
                await page.shows("quit")
                await page.press("q")
                await until(lambda: page.value("document.body.classList.contains('-closed')"))
                assert await page.value("document.activeElement.textContent") == "Open again"
                await page.press("Enter", "\r", 13)
                await page.shows("quit")
        assert interrupted(process) == ""


async def without(page, words):
    return words not in await page.text()


async def test_a_training_outlives_its_tab_and_its_server_and_saves_when_told_to_stop(home, tmp_path):
    with serving(home, tmp_path, "quickstart", "training.epochs=1000") as (process, address, apps):
        async with chromium.browser(home) as opened, opened(address) as page:
            app = await app_of(process, apps)
            await page.shows("quickstart")
            await page.press("Enter", "\r", 13)
            folder = await until(lambda: next((tmp_path / "runs").glob("*/events.jsonl"), None))
            await until(lambda: steps(folder) > 5)
        for _ in range(2):
            before = steps(folder)
            await until(lambda before=before: steps(folder) > before + 5)
            assert not ended(app)
            if process.poll() is None:
                assert f"attach {folder.parent}" in interrupted(process)
        app.send_signal(signal.SIGTERM)
        await until(lambda: ended(app))
    summary = json.loads((folder.parent / "summary.json").read_text())
    assert summary["state"] == "stopped"
    assert summary["steps"] >= before + 5
    assert (folder.parent / "checkpoints" / "last.json").exists()


def steps(events):
    return events.read_bytes().count(b'"StepCompleted"') if events.exists() else 0
