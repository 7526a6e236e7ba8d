"""The launch screen: what is chosen, what that comes to, and every key of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from apps import NoBackground, Scripted, make_app
from launch_pad import draft, go_to_key, own_folders, picker, preset, press, said, settled, text, until
from textual.binding import Binding
from textual.widgets import Static

from cifar_core.data.availability import Availability
from cifar_core.errors import CifarError
from cifar_core.estimate import Probe
from cifar_core.events import Preparing
from cifar_experiments.presets import listing
from cifar_experiments.presets.draft import Draft
from cifar_experiments.presets.files import user_folder
from cifar_experiments.runs import in_folder
from cifar_tui import detaching
from cifar_tui.screens.dialogs import Choice, TextEntry
from cifar_tui.screens.launch import LaunchScreen
from cifar_tui.screens.monitor import MonitorScreen
from cifar_tui.training import Trainings
from cifar_tui.widgets.configuration import Configuration
from cifar_tui.widgets.rows import Rows
from cifar_tui.widgets.status_line import StatusLine
from cifar_tui.widgets.value_entry import ValueEntry

_NAMES = [listed.name for listed in listing("experiments")]
BESIDE = [_NAMES[_NAMES.index("quickstart") + step] for step in (-1, 1)]
"""The experiments before and after the quick start."""


MISSING = Availability(False, "cifar10 is not in /data: 170 MB would be downloaded", True, (50_000, 10_000))
THERE = Availability(True, "cifar10 is in /data", False, (50_000, 10_000))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)


@pytest.fixture
def added(monkeypatch):
    """What would be trained; nothing is."""
    starts = []

    def add(trainings, start):
        starts.append(start)
        training = Scripted(start.run.path)
        trainings.all.append(training)
        training.begun = len(starts) == 1
        return training

    monkeypatch.setattr(Trainings, "add", add)
    return starts


async def test_it_begins_with_what_the_command_line_said(tmp_path):
    app = make_app(tmp_path, draft=Draft("notes-lenet-2ep", model="resnet18", edits=(("optimizer.lr", "0.3"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        shown = text(app)
        assert "● notes-lenet-2ep (changed)" in shown
        assert "● resnet18" in shown
        assert "○ lenet-notes" in shown
        assert "$ cifar-tui --no-tui notes-lenet-2ep" in shown
        assert picker(app, "models").entry.name == "resnet18"


async def test_the_highlighted_experiment_is_the_chosen_one(tmp_path):
    app = make_app(tmp_path, draft=Draft("preact-resnet18"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "k")
        assert draft(app) == Draft("notes-momentum099")
        assert "sgd-momentum099" in text(app)
        assert "● sgd-momentum099" in text(app)
        assert app.background.wishes[-1][0].name == "notes-momentum099"


async def test_an_experiment_keeps_its_changes_while_another_one_is_looked_at(tmp_path):
    app = make_app(tmp_path, draft=Draft("quickstart", edits=(("optimizer.lr", "0.3"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "k")
        assert draft(app) == Draft(BESIDE[0])
        assert "quickstart (changed)" in text(app)
        await press(pilot, "j")
        assert draft(app).edits == (("optimizer.lr", "0.3"),)


async def test_a_broken_preset_is_listed_with_its_error_and_the_others_are_usable(tmp_path, added):
    preset("experiments", "a-broken", "model = \n")
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "home")
        assert "! a-broken" in text(app)
        assert "is not valid TOML" in text(app)
        assert "Nothing: the configuration is wrong" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "is not valid TOML" in said(app))
        assert added == []
        await press(pilot, "down")
        assert draft(app).experiment == listing("experiments")[1].name
        assert "Nothing: the configuration is wrong" not in text(app)


async def test_it_says_what_will_run_and_what_is_not_known_yet(tmp_path):
    background = NoBackground()
    app = make_app(tmp_path, background=background)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        assert "importing torch" in text(app)
        background.tell(torch="2.15", device="cpu", data=THERE, images=(50_000, 10_000), steps=25_000)
        await until(pilot, lambda: "cpu · torch 2.15 ready · drawn images ready" in text(app))
        assert "measuring the time" in text(app)
        background.tell(probe=Probe("cpu", 62_006, 1, 0.001), seconds=41.0)
        await until(pilot, lambda: "25,000 steps · 62,006 parameters" in text(app))
        assert "about 41 s on cpu (measured)" in text(app)
        background.tell(preparing=Preparing(time=0, phase="download", subject="c.tar.gz", done=43, total=100, unit="B"))
        await until(pilot, lambda: "download c.tar.gz 43 %" in text(app))
        background.tell(preparing=None, error="no such device", seconds=None)
        await until(pilot, lambda: "no such device" in text(app))


async def test_an_unchanged_screen_is_not_drawn_again(tmp_path, monkeypatch):
    background = NoBackground()
    app = make_app(tmp_path, background=background)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.pause(0.3)
        drawn = []
        for widget in (StatusLine, Static, Rows):
            monkeypatch.setattr(widget, "refresh", lambda widget, *_, **__: drawn.append(widget))
        background.version += 1
        app.screen._look()
        app.screen._work_out()
        await pilot.pause(0.4)
        assert drawn == []


async def test_images_are_only_offered_where_they_are_missing(tmp_path):
    background = NoBackground()
    app = make_app(tmp_path, draft=Draft("notes-lenet-2ep"), background=background)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "d", "y")
        assert all(not download for _, download in background.wishes)
        assert draft(app) == Draft("notes-lenet-2ep")
        background.tell(data=MISSING)
        await until(pilot, lambda: "cifar10 missing: d downloads, y takes drawn images" in text(app))
        await press(pilot, "d")
        config, download = background.wishes[-1]
        assert download
        assert config.data.kind == "cifar10"
        await go_to_key(pilot, "optimizer.lr")
        await press(pilot, "enter", *"0.5", "enter")
        await until(pilot, lambda: background.wishes[-1][0].optimizer.lr == 0.5)
        assert background.wishes[-1][1], "a download goes on while other things are chosen"
        await press(pilot, "y")
        await until(pilot, lambda: background.wishes[-1][0].data.kind == "synthetic")
        assert not background.wishes[-1][1]


@pytest.mark.parametrize("key", ["enter", "s"])
async def test_a_start_makes_a_run_and_shows_it(tmp_path, added, key):
    app = make_app(tmp_path / "runs", draft=Draft("quickstart", edits=(("training.seed", "7"),)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press(key, key)
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        (start,) = added
        assert start.config.training.seed == 7
        assert [run.path for run in in_folder(tmp_path / "runs")] == [start.run.path]
        assert "cifar-tui --no-tui quickstart training.seed=7" in start.run.toml.read_text()


async def test_a_second_training_waits_its_turn_and_that_is_said(tmp_path, added):
    app = make_app(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("m")
        assert isinstance(app.screen, LaunchScreen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.pop_screen()
        await until(pilot, lambda: f"training {added[0].run.id} (m shows it)" in text(app))
        assert "It would wait" in text(app)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.pop_screen()
        await pilot.pause()
        await pilot.press("s")
        await until(pilot, lambda: len(added) == 2)
        assert f"waits until {added[0].run.id} has ended" in said(app)


async def test_several_seeds_are_several_runs(tmp_path, added):
    app = make_app(tmp_path / "runs", draft=Draft("quickstart", edits=(("training.seed", "5"),)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("backspace", "0", "enter")
        assert "from 1 to 100" in text(app)
        await pilot.press("backspace", *"101", "enter")
        assert isinstance(app.screen, TextEntry)
        await pilot.press("backspace", "backspace", "backspace", "2", "enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert [start.config.training.seed for start in added] == [5, 6]
        assert "training.seed=6" in added[1].run.toml.read_text()


async def test_several_seeds_can_be_left(tmp_path, added):
    app = make_app(tmp_path / "runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await pilot.press("enter")
        await until(pilot, lambda: len(added) == 1)


async def test_a_detached_start_shows_the_run(tmp_path, monkeypatch):
    spawned = []
    monkeypatch.setattr(detaching, "spawn", lambda runs, _unwanted: spawned.extend(runs))
    app = make_app(tmp_path / "runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert spawned == in_folder(tmp_path / "runs")
        assert app.trainings.all == []


async def test_a_detached_start_that_fails_is_told(tmp_path, monkeypatch):
    def spawn(*_):
        raise CifarError("it was not to be")

    monkeypatch.setattr(detaching, "spawn", spawn)
    app = make_app(tmp_path / "runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("b")
        await until(pilot, lambda: "it was not to be" in said(app))
        assert isinstance(app.screen, LaunchScreen)


@pytest.mark.parametrize(("key", "kind"), [("d", "cifar10"), ("y", "synthetic")])
async def test_a_start_without_images_asks(tmp_path, added, key, kind):
    app = make_app(tmp_path / "runs", draft=Draft("notes-lenet-2ep"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        assert "cifar10 is not in" in text(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert added == []
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press(key)
        await until(pilot, lambda: len(added) == 1)
        assert added[0].config.data.kind == kind


async def test_a_folder_of_runs_that_cannot_be_written_is_a_sentence(tmp_path, added):
    (tmp_path / "file").write_text("")
    app = make_app(tmp_path / "file" / "runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "no run can be kept there" in said(app))
        assert added == []


async def test_a_choice_is_saved_as_an_experiment_and_is_that_from_then_on(tmp_path):
    app = make_app(tmp_path, draft=Draft("quickstart", edits=(("optimizer.lr", "0.5"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("ctrl+u", *"../x", "enter")
        assert "letters, digits" in text(app)
        await pilot.press("ctrl+u", *"mine", "enter")
        await until(pilot, lambda: "Described in a line" in text(app))
        await pilot.press("ctrl+u", *"faster", "enter")
        await until(pilot, lambda: draft(app) == Draft("mine"))
        await settled(pilot)
        content = (user_folder() / "experiments" / "mine.toml").read_text()
        assert 'description = "faster"' in content
        assert "lr = 0.5" in content
        assert "● mine" in text(app)
        assert "not as saved" not in text(app)


async def test_a_file_that_is_there_is_only_overwritten_when_told_to_and_keeps_its_comments(tmp_path):
    path = preset("experiments", "mine", "# kept\nmodel = 'resnet18'\n")
    before = path.read_text()
    app = make_app(tmp_path, draft=Draft("mine", edits=(("training.epochs", "3"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert path.read_text() == before
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("enter")
        await until(pilot, lambda: draft(app) == Draft("mine"))
        assert "# kept" in path.read_text()
        assert "epochs = 3" in path.read_text()


async def test_a_folder_of_presets_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("ctrl+u", *"mine", "enter")
        await until(pilot, lambda: "Described in a line" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "cannot be written" in said(app))


async def test_where_there_is_little_room_one_pane_is_shown_at_a_time(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(40, 12)) as pilot:
        await settled(pilot)
        seen = []
        for _ in range(6):
            shown = [pane for pane in app.screen.query(".pane") if pane.region.area]
            assert len(shown) == 1
            assert shown[0].has_focus or shown[0].has_focus_within
            seen.append(shown[0].id)
            await pilot.press("tab")
            await pilot.pause()
        assert seen == ["experiments", "models", "augments", "optimizers", "configuration", "will-run"]
        assert "the time is measured" in text(app)


async def test_a_storm_of_sizes_is_survived(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("e")
        for size in [(20, 5), (120, 40), (40, 12), (1, 1), (300, 80), (80, 24)]:
            await pilot.resize_terminal(*size)
        await pilot.press("escape")
        await settled(pilot)
        assert "Experiments" in text(app)


async def test_without_unicode_there_is_none(tmp_path):
    app = make_app(tmp_path, settings=SimpleNamespace(theme=None, ascii=True, keys={}, faults=()))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "tab", "j", "e", "x")
        footer = app.screen.query_one("Footer").region.y
        assert all(line.isascii() for y, line in enumerate(text(app).splitlines()) if y != footer), text(app)


def test_every_key_can_be_changed_and_is_explained():
    for where in (LaunchScreen, Configuration, Rows, ValueEntry):
        for binding in where.BINDINGS:
            assert isinstance(binding, Binding)
            assert binding.id
            assert binding.description


async def test_keys_can_be_changed(tmp_path, added):
    keys = {"launch.start": "ctrl+g", "list.down": "w", "launch.drawn": "z"}
    background = NoBackground()
    settings = SimpleNamespace(theme=None, ascii=False, keys=keys, faults=())
    app = make_app(tmp_path / "runs", settings=settings, background=background)
    async with app.run_test(size=(120, 40)) as pilot:
        background.tell(data=MISSING)
        await settled(pilot)
        assert "there is no" not in said(app)
        await until(pilot, lambda: "z takes drawn images" in text(app))
        await pilot.press("enter")
        await press(pilot, "w")
        assert draft(app) == Draft(BESIDE[1])
        await press(pilot, "up")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: len(added) == 1)


async def test_what_is_chosen_while_another_process_starts_stays(tmp_path, monkeypatch):
    going, spawned = threading.Event(), []

    def spawn(runs, _unwanted):
        going.wait(60)
        spawned.extend(runs)

    monkeypatch.setattr(detaching, "spawn", spawn)
    app = make_app(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("b")
        await until(pilot, lambda: "in a process of its own" in said(app))
        await press(pilot, "j", "b")
        assert "one is being started" in said(app)
        going.set()
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert len(spawned) == 1
        assert draft(app) == Draft(BESIDE[1])
