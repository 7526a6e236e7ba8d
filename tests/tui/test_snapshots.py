"""What the screens look like: pictures that were looked at once, and that change only when somebody means it.

``python3 dev.py test tests/tui/test_snapshots.py -n 0 --snapshot-update`` makes them anew; look at them before they
are kept. The report of a failed run, ``snapshot_report.html``, shows the old picture beside the new one.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path

import pytest
from apps import NoBackground, Scripted, make_app
from launch_pad import go_to_key, text, until
from pictures import CLASSES, hold_still, recorded_at, run_events, run_finished

from cifar_core.data.availability import Availability
from cifar_core.estimate import Probe
from cifar_core.events import Paused
from cifar_experiments import runs
from cifar_experiments.presets.draft import Draft
from cifar_tui.screens.compare import CompareScreen
from cifar_tui.settings import Layout, Settings

MADE_WITH = {"textual": "8.2.8", "rich": "15.0.0"}
"""Others may draw the same screen in other words: with them a difference proves nothing."""

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "40x12": (40, 12)}
sized = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
dressed = pytest.mark.parametrize("dress", ["light", "ansi", "ascii", "no-color"])


@pytest.fixture(autouse=True)
def _held_still(tmp_path, monkeypatch):
    hold_still(tmp_path, monkeypatch)
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def looks_as_before(snap_compare):
    """Fail unless an app looks as it did when its picture was made."""

    def compare(app, size, words, then=None):
        async def ready(pilot):
            await seen(pilot, *words)
            if then is not None:
                await then(pilot)

        same = snap_compare(app, terminal_size=size, run_before=ready)
        others = {name: version(name) for name, made in MADE_WITH.items() if version(name) != made}
        if not same and others:
            pytest.skip(f"the pictures are of {MADE_WITH}, and here is {others}")
        assert same

    return compare


async def seen(pilot, *words):
    await until(pilot, lambda: all(word in text(pilot.app) for word in words))


def dressing(dress, monkeypatch):
    """What an app is made with for one of the looks."""
    if dress == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    theme = dress if dress in ("light", "ansi") else "dark"
    return {"settings": Settings(ascii=dress == "ascii"), "layout": Layout(theme=theme)}


def launch(**options):
    background = NoBackground()
    background.tell(
        torch="2.10", device="cpu, 2 threads", steps=4_692, images=(50_000, 10_000), seconds=12.0,
        data=Availability(True, "drawn images need no file", False, (50_000, 10_000)),
        probe=Probe("cpu", 62_006, 1, 0.001),
    )  # fmt: skip
    return make_app(Path("runs"), background=background, **options)


@sized
def test_launch(looks_as_before, size):
    looks_as_before(launch(), size, ["12 s"])


@dressed
def test_launch_dressed(looks_as_before, monkeypatch, dress):
    looks_as_before(launch(**dressing(dress, monkeypatch)), SIZES["80x24"], ["about 12 s", "quickstart"])


def test_launch_with_a_wrong_value_being_typed(looks_as_before):
    draft = Draft("quickstart", model="resnet18", edits=(("training.epochs", "3"),))

    async def typed(pilot):
        await go_to_key(pilot, "optimizer.lr")
        await pilot.press("enter", *"abc")
        await seen(pilot, "must be a number, not 'abc'")

    app = launch(draft=draft)
    app.background.tell(data=Availability(False, "cifar10 is not here", True, (50_000, 10_000)), probe=None)
    looks_as_before(app, SIZES["120x40"], ["not as saved"], typed)


def monitor(*events, classes=CLASSES, gpus=0, epochs=7, **options):
    path = Path("runs/20250615-150000-notes-lenet-0a1b")
    path.mkdir(parents=True)
    (path / "log.txt").write_text("12:00:00 62,006 parameters on cpu\n12:00:05 epoch 1 of 10: 43.2 % of val\n")
    run = Scripted(path, *run_events(epochs, classes, gpus), *events)
    run.ended = run.status not in ("running", "paused")
    return make_app(Path("runs"), first=run, **options)


@sized
def test_monitor(looks_as_before, size):
    looks_as_before(monitor(), size, ["running", "Loss", "step 700"])


@dressed
def test_monitor_dressed(looks_as_before, monkeypatch, dress):
    looks_as_before(monitor(**dressing(dress, monkeypatch)), SIZES["80x24"], ["running", "Loss", "airplane"])


def test_monitor_of_a_paused_run(looks_as_before):
    looks_as_before(monitor(Paused(time=140.0, epoch=7, step=700)), SIZES["80x24"], ["paused", "Loss"])


def test_monitor_of_a_run_that_is_complete(looks_as_before):
    looks_as_before(monitor(run_finished(), epochs=10), SIZES["120x40"], ["completed", "repeat it", "Loss"])


def test_monitor_of_a_run_that_failed(looks_as_before):
    failed = run_finished(reason="failed", epoch=7, step=700, final_top1=None, error="the disk is full: runs/mine")
    looks_as_before(monitor(failed), SIZES["80x24"], ["failed", "the disk is full", "Loss"])


@pytest.mark.parametrize("size", [SIZES["120x40"], SIZES["80x24"]], ids=["120x40", "80x24"])
def test_monitor_of_two_gpus(looks_as_before, size):
    looks_as_before(monitor(gpus=2), size, ["GPU1 NVIDIA H200", "Loss"])


def test_monitor_of_a_hundred_classes(looks_as_before):
    app = monitor(classes=tuple(f"class-{number:02}" for number in range(100)))
    looks_as_before(app, SIZES["80x24"], ["class-00", "Loss"])


@sized
def test_the_stop_dialog_leaves_the_charts_in_sight(looks_as_before, size):
    async def asked(pilot):
        await pilot.press("x")
        await seen(pilot, "Stop this training?")

    looks_as_before(monitor(), size, ["running", "Loss"], asked)


@sized
def test_help(looks_as_before, size):
    async def asked(pilot):
        await pilot.press("question_mark")
        await seen(pilot, "Keys")

    looks_as_before(monitor(), size, ["running", "Loss"], asked)


def some_runs():
    return [
        recorded_at(3, "lenet", "optimizer.lr=0.05", "training.seed=1", state=None, top1=(0.3, 0.45, 0.52, 0.57)),
        recorded_at(55, "lenet", "optimizer.lr=0.05", "training.seed=2", top1=(0.31, 0.47, 0.58, 0.61)),
        recorded_at(200, "lenet", "optimizer.lr=0.2", "training.seed=1", top1=(0.4, 0.5, 0.55, 0.66)),
        recorded_at(3000, "resnet", "model=resnet18", state="diverged", top1=(0.1,)),
    ]


def look_at_runs(looks_as_before, size, **options):
    live, *_ = some_runs()
    app = make_app(Path("runs"), **options)

    async def marked(pilot):
        await pilot.press("down", "space")
        await seen(pilot, "1 marked")

    with runs.locked(live):
        looks_as_before(opening(app, app.open_runs), size, ["running", "completed"], marked)


@sized
def test_runs(looks_as_before, size):
    look_at_runs(looks_as_before, size)


def test_runs_dressed_in_ascii(looks_as_before):
    look_at_runs(looks_as_before, SIZES["80x24"], settings=Settings(ascii=True))


@sized
def test_compare(looks_as_before, size):
    there = some_runs()[:3]
    app = make_app(Path("runs"))
    looks_as_before(opening(app, lambda: app.push_screen(CompareScreen(there))), size, ["as of 12:34:56"])


def test_compare_seeds_on_light(looks_as_before, monkeypatch):
    there = some_runs()[:3]
    app = make_app(Path("runs"), **dressing("light", monkeypatch))

    async def grouped(pilot):
        await pilot.press("g")
        await seen(pilot, "mean over seeds")

    compared = opening(app, lambda: app.push_screen(CompareScreen(there)))
    looks_as_before(compared, SIZES["120x40"], ["as of 12:34:56", "lr 0.2"], grouped)


def opening(app, show):
    """The app, which shows another screen once its first one is there."""
    app.show_run = lambda _: show()
    app._first = object()
    return app
