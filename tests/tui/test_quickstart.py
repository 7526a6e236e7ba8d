"""The app over the real engine: the quick start from its choice to its end, and every key on the way.

Which keys there are is asked of the classes: a binding that no test here uses fails the test of its screen.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest
from apps import make_app
from launch_pad import draft, go_to_key, own_folders, picker, text
from textual.binding import Binding
from textual.events import Key

from cifar_core.events import (
    CheckpointSaved,
    EpochCompleted,
    Evaluated,
    LearningRateChanged,
    Paused,
    Resumed,
    RunFinished,
    StepCompleted,
)
from cifar_experiments import runs
from cifar_experiments.presets.draft import Draft
from cifar_tui.app import CifarApp
from cifar_tui.background import Background
from cifar_tui.screens.compare import CompareScreen
from cifar_tui.screens.dialogs import Choice, TextEntry
from cifar_tui.screens.help import Help
from cifar_tui.screens.launch import LaunchScreen
from cifar_tui.screens.monitor import MonitorScreen
from cifar_tui.screens.runs import RunsScreen
from cifar_tui.widgets.configuration import Configuration
from cifar_tui.widgets.filter import Filter
from cifar_tui.widgets.rows import Rows
from cifar_tui.widgets.run_table import RunTable
from cifar_tui.widgets.value_entry import ValueEntry

CHOOSING = (LaunchScreen, Configuration, Rows, ValueEntry, Filter, MonitorScreen, CifarApp)
LISTING = (RunsScreen, CompareScreen)
STEERING = ("pause", "checkpoint", "learning_rate", "stop", "detach")
EPOCHS = 12
SMALL = (("data.limit", "256"), ("training.epochs", str(EPOCHS)))
STEPS = EPOCHS * 4
PATIENCE = 60


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("http_proxy", "https_proxy"):  # nothing beyond this machine is reached
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def used(monkeypatch):
    """The actions that bindings led to, each with the class of what it was bound to."""
    done, before = set(), CifarApp.run_action

    async def run_action(app, action, default_namespace=None, namespaces=None):
        handled = await before(app, action, default_namespace, namespaces)
        if handled and default_namespace is not None:
            done.update((kind, action) for kind in type(default_namespace).__mro__)
        return handled

    monkeypatch.setattr(CifarApp, "run_action", run_action)
    return done


def bindings(kinds):
    """All bindings of classes and of what they are made from here, each with the class that has it."""
    bases = dict.fromkeys(base for kind in kinds for base in kind.__mro__ if base.__module__.startswith("cifar_tui"))
    return [(base, each) for base in bases for each in vars(base).get("BINDINGS", ()) if isinstance(each, Binding)]


def unused(kinds, used):
    return [
        f"{kind.__name__} {each.id} {each.action}" for kind, each in bindings(kinds) if (kind, each.action) not in used
    ]


async def press(pilot, *keys):
    """As ``pilot.press``, which waits until the process is idle: one that trains is not."""
    for key in keys:
        pilot.app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause(0)
        await pilot.pause(0)


async def use(pilot, *names):
    """Press the keys of bindings, which are known by their ids."""
    for name in names:
        key = next(each.key for _, each in bindings((*CHOOSING, *LISTING, Help)) if each.id == name)
        await press(pilot, key.split(",")[0])


async def until(pilot, condition):
    latest = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < latest, text(pilot.app)
        await pilot.pause(0.02)
    return found


async def shown(pilot, kind):
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))


async def answer(pilot, kind, *keys):
    """Answer a question that is about to be asked."""
    await shown(pilot, kind)
    question = pilot.app.screen
    await press(pilot, *keys)
    await until(pilot, lambda: pilot.app.screen is not question)


async def edit(pilot, key, value):
    await go_to_key(pilot, key)
    await press(pilot, "enter", "ctrl+u", *value, "enter")
    await until(pilot, lambda: (key, value) in draft(pilot.app).edits)


async def ended(pilot, watched):
    await until(pilot, lambda: watched.ended)
    return watched.run


def kinds_of(run):
    return Counter(type(event) for event in runs.read_events(run.events))


def started(folder, **changes):
    return make_app(folder, background=Background(), **changes)


def assert_whole(run):
    """The record of a small run has every step once, every epoch, and the end."""
    events = list(runs.read_events(run.events))
    assert [event.step for event in events if isinstance(event, StepCompleted)] == list(range(1, STEPS + 1))
    assert [event.epoch for event in events if isinstance(event, EpochCompleted)] == list(range(1, EPOCHS + 1))
    assert isinstance(events[-1], RunFinished)
    summary = runs.read_summary(run.summary)
    assert (summary.state, summary.steps, summary.epochs) == ("completed", STEPS, EPOCHS)
    assert summary.final_top1 == events[-1].final_top1


async def look_around(pilot):
    """Use what changes no choice on the launch screen."""
    await go_to_key(pilot, "training.precision")
    await use(pilot, "list.down", "list.up", "list.last", "list.page-up", "list.page-down", "list.first")
    await use(pilot, "launch.filter")
    await press(pilot, *"lr")
    await use(pilot, "filter.leave", "filter.clear", "launch.filter", "filter.clear")
    await go_to_key(pilot, "training.precision")
    await use(pilot, "launch.edit", "edit.next", "edit.previous", "edit.leave")
    await edit(pilot, "training.seed", "7")
    await use(pilot, "launch.undo")
    await until(pilot, lambda: "training.seed" not in dict(draft(pilot.app).edits))
    await use(pilot, "launch.next", "launch.previous")


async def look_at_all(pilot):
    """Use what a monitor has for looking, twice: most of it is turned back so."""
    for _, each in bindings([MonitorScreen]):
        if each.id.startswith(("monitor.", "list.")) and each.action not in STEERING:
            await press(pilot, *[each.key.split(",")[0]] * 2)
    await use(pilot, "monitor.reset")


@pytest.mark.slow
async def test_the_quick_start_is_chosen_measured_trained_steered_and_completed(tmp_path, used):
    folder = tmp_path / "runs"
    app = started(folder, draft=Draft("quickstart", edits=(*SMALL, ("data.kind", "cifar10"))))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "cifar10 missing" in text(app))
        await use(pilot, "launch.download")
        await until(pilot, lambda: app.background.readiness.error)
        await use(pilot, "launch.drawn")
        await until(pilot, lambda: "(measured)" in text(app) and app.background.readiness.steps == STEPS)
        await look_around(pilot)
        await use(pilot, "launch.save")
        await answer(pilot, TextEntry, "ctrl+u", *"mine", "enter")
        await answer(pilot, TextEntry, "enter")
        await until(pilot, lambda: draft(app) == Draft("mine"))

        picker(app, "experiments").query_one(Rows).focus()
        await use(pilot, "launch.start")
        await shown(pilot, MonitorScreen)
        watched = app.screen.watched
        await until(pilot, lambda: watched.status == "running")
        await use(pilot, "monitor.pause")
        await until(pilot, lambda: watched.status == "paused")
        await look_at_all(pilot)
        await use(pilot, "help")
        await shown(pilot, Help)
        await use(pilot, "help.close", "monitor.stop")
        await answer(pilot, Choice, "escape")
        await use(pilot, "monitor.detach")
        await answer(pilot, Choice, "escape")
        await use(pilot, "monitor.lr")
        await answer(pilot, TextEntry, "ctrl+u", *"0.01", "enter")
        await use(pilot, "monitor.checkpoint", "monitor.pause")
        first = await ended(pilot, watched)
        await until(pilot, lambda: "completed" in text(app) and f"step {STEPS}/{STEPS}" in text(app))
        assert_whole(first)
        kinds = kinds_of(first)
        assert kinds[Paused] == kinds[Resumed] == kinds[LearningRateChanged] == 1
        assert kinds[Evaluated]
        assert kinds[CheckpointSaved]
        assert (first.checkpoints / "last.json").exists()

        await use(pilot, "back", "launch.detached")
        await shown(pilot, MonitorScreen)
        assert not app.screen.watched.trained_here
        second = await ended(pilot, app.screen.watched)
        assert_whole(second)

        await use(pilot, "back", "launch.seeds")
        await answer(pilot, TextEntry, "ctrl+u", "2", "enter")
        await shown(pilot, MonitorScreen)
        await use(pilot, "back")
        await until(pilot, lambda: "training " in text(app))
        await use(pilot, "launch.monitor")
        await shown(pilot, MonitorScreen)
        for training in app.trainings.all[1:]:
            assert_whole(await ended(pilot, training))
        await use(pilot, "back", "launch.runs")
        await shown(pilot, RunsScreen)
        await use(pilot, "suspend", "quit")
        await until(pilot, lambda: not app.is_running)
    assert app.fault is None
    assert unused(CHOOSING, used) == []


async def highlight(pilot, run):
    table = pilot.app.screen.query_one(RunTable)
    await until(pilot, lambda: run in [entry.run for entry in table._entries])
    await use(pilot, "list.first")
    while table.highlighted.run != run:
        await use(pilot, "list.down")


async def state(pilot, run, word):
    await until(pilot, lambda: runs.current(run).state == word)


@pytest.mark.slow
async def test_runs_are_steered_resumed_forked_compared_and_deleted_from_their_list(tmp_path, used):
    folder = tmp_path / "runs"
    app = started(folder, draft=Draft("quickstart", edits=(("data.limit", "256"), ("training.epochs", "100000"))))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.background.readiness.seconds)
        await use(pilot, "launch.seeds")
        await answer(pilot, TextEntry, "ctrl+u", "2", "enter")
        await shown(pilot, MonitorScreen)
        trainings = list(app.trainings.all)
        first, second = (training.run for training in trainings)
        await use(pilot, "back", "launch.runs")
        await shown(pilot, RunsScreen)

        await highlight(pilot, first)
        await state(pilot, first, "running")
        await use(pilot, "runs.pause")
        await state(pilot, first, "paused")
        await use(pilot, "runs.pause")
        await state(pilot, first, "running")
        await use(pilot, "runs.stop")
        await answer(pilot, Choice, "n")
        await ended(pilot, trainings[0])
        await use(pilot, "runs.resume")
        await answer(pilot, Choice, "y")
        await shown(pilot, MonitorScreen)
        assert app.screen.watched.status == "waiting"
        await use(pilot, "back")
        await highlight(pilot, second)
        await state(pilot, second, "running")
        await use(pilot, "runs.stop")
        await answer(pilot, Choice, "e")
        await ended(pilot, trainings[1])
        await state(pilot, first, "running")
        await highlight(pilot, first)
        await use(pilot, "runs.open")
        await shown(pilot, MonitorScreen)
        await until(pilot, lambda: app.screen.watched.record._history.started)
        await use(pilot, "monitor.stop")
        await answer(pilot, Choice, "n")
        await ended(pilot, app.screen.watched)
        await use(pilot, "back")

        done = runs.current(second).epochs
        await highlight(pilot, second)
        await use(pilot, "runs.fork")
        await answer(pilot, TextEntry, *f"training.epochs={done + 1}", "enter")
        await shown(pilot, MonitorScreen)
        fork = await ended(pilot, app.screen.watched)
        assert runs.read_summary(fork.summary).state == "completed"
        assert kinds_of(fork)[EpochCompleted] == 1
        await use(pilot, "back")

        await use(pilot, "list.last", "list.up", "list.down", "list.page-up", "list.page-down", "list.first")
        await use(pilot, "runs.filter")
        await press(pilot, *"quick", "enter")
        for name in ("runs.sort", "runs.reverse", "runs.mark"):
            await use(pilot, name)
        await until(pilot, lambda: len(app.screen.query_one(RunTable)._entries) == 3)  # with the fork
        await use(pilot, "runs.mark-all", "runs.compare")
        await shown(pilot, CompareScreen)
        await until(pilot, lambda: "as of " in text(app))
        await press(pilot, *[each.key.split(",")[0] for each in CompareScreen.BINDINGS])
        await until(pilot, lambda: "as of " in text(app))
        await use(pilot, "help")
        await shown(pilot, Help)
        await use(pilot, "help.close")
        while isinstance(app.screen, CompareScreen):
            await use(pilot, "back")
        await use(pilot, "runs.mark-all")
        await highlight(pilot, first)
        await use(pilot, "runs.delete")
        await until(pilot, lambda: "Delete this run" in text(app))
        await answer(pilot, Choice, "y")
        await until(pilot, lambda: not first.path.exists())
        assert set(runs.in_folder(folder)) == {fork, second}
    assert app.fault is None
    assert unused(LISTING, used) == []
