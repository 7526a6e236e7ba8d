"""What can be done in the list of runs, and what is said where it cannot be."""

from __future__ import annotations

import shutil
import time

import pytest
from apps import Scripted, make_app
from recorded import recorded
from samples import run_started

from cifar_core.errors import ConfigError
from cifar_experiments import runs
from cifar_experiments.live.protocol import Stop, TogglePause
from cifar_experiments.runs.summary import to_bytes
from cifar_tui.screens import runs as runs_screen
from cifar_tui.screens.compare import CompareScreen
from cifar_tui.screens.dialogs import Choice, TextEntry
from cifar_tui.screens.launch import LaunchScreen
from cifar_tui.screens.room import Room
from cifar_tui.screens.runs import RunsScreen
from cifar_tui.settings import Settings
from cifar_tui.widgets.run_table import RunTable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


async def until(pilot, condition):
    """Wait for what comes from a thread."""
    latest = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < latest
        await pilot.pause(0.01)


def screen(app):
    return next(each for each in app.screen_stack if isinstance(each, RunsScreen))


def table(app):
    return screen(app).query_one(RunTable)


def said(app):
    """All that stands on the screen, row by row."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def told(app):
    return [note.message for note in app._notifications]


def highlighted(app):
    return table(app).highlighted.run


async def opened(app, pilot, count):
    """Open the screen and wait for its runs."""
    await looked(app, pilot)
    assert len(table(app)._entries) == count


async def looked(app, pilot):
    """Open the screen and wait until it has looked at its folder."""
    app.open_runs()
    await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.query(RunTable))
    await until(pilot, lambda: screen(app)._list._entries is not None)
    await pilot.pause()


async def choose(pilot, run):
    """Highlight a run."""
    await pilot.press("home")
    while highlighted(pilot.app) != run:
        await pilot.press("down")


# What is shown


async def test_every_run_of_the_folder_is_shown_and_live_ones_are_marked(folder):
    live = recorded(folder, name="under-way", state=None)
    recorded(folder, name="killed", state=None)
    recorded(folder, name="whole")
    app = make_app(folder)
    with runs.locked(live):
        async with app.run_test(size=(80, 24)) as pilot:
            await opened(app, pilot, 3)
            text = said(app)
    assert "Runs 3 · 1 live · by started" in text
    for words in ("● running", "✗ crashed", "✓ completed", "60.00 test"):
        assert words in text


async def test_an_empty_folder_is_a_sentence_that_says_where_and_how(folder):
    app = make_app(folder)
    async with app.run_test(size=(200, 24)) as pilot:
        await opened(app, pilot, 0)
        assert f"No runs in {folder} yet" in said(app)
        for key in ("enter", "r", "e", "d", "p", "x", "space", "a", "down", "up", "pagedown", "pageup", "home", "end"):
            await pilot.press(key)
        await until(pilot, lambda: told(app))
        assert set(told(app)) == {"There is no run here to do that with."}
        assert isinstance(app.screen, RunsScreen)


async def test_a_folder_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    app = make_app(tmp_path / "file")
    async with app.run_test(size=(200, 24)) as pilot:
        await looked(app, pilot)
        assert "cannot be read: Not a directory" in said(app)


async def test_a_damaged_summary_is_a_row_with_its_error_and_the_others_are_usable(folder):
    torn, whole = recorded(folder, name="torn"), recorded(folder, name="whole")
    torn.summary.write_text("{")
    app = make_app(folder)
    app.open_run = lambda run: app.asked.append(run)
    app.asked = []
    async with app.run_test(size=(300, 24)) as pilot:
        await opened(app, pilot, 2)
        assert "✗ damaged" in said(app)
        await choose(pilot, torn)
        assert "is no summary of a run" in said(app)
        await choose(pilot, whole)
        await pilot.press("enter")
        assert app.asked == [whole]


async def test_a_name_cannot_steer_the_terminal_or_mark_text_up(folder):
    recorded(folder, name="evil\x1b[31m[bold]")
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, 1)
        assert r"evil\x1b[31m[bold]" in said(app)
        assert "\x1b" not in said(app)
        await pilot.press("slash", *"[bold]")
        await pilot.pause()
        assert r"evil\x1b[31m[bold]" in said(app)


async def test_a_run_that_is_deleted_or_comes_while_one_looks_leaves_or_joins_the_list(folder, monkeypatch):
    monkeypatch.setattr(runs_screen, "_REFRESH_SECONDS", 0.05)
    first, second = recorded(folder, name="first"), recorded(folder, name="second")
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 2)
        await choose(pilot, first)
        shutil.rmtree(first.path)
        await until(pilot, lambda: len(table(app)._entries) == 1)
        assert highlighted(app) == second
        recorded(folder, name="third")
        await until(pilot, lambda: len(table(app)._entries) == 2)
        assert highlighted(app) == second


async def test_the_folder_is_left_alone_while_another_screen_is_in_sight(folder, monkeypatch):
    monkeypatch.setattr(runs_screen, "_REFRESH_SECONDS", 0.01)
    recorded(folder)
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await app.push_screen(Room())
        await until(pilot, lambda: not screen(app)._looking)
        looked = []
        monkeypatch.setattr(screen(app)._list._roster, "refresh", lambda: looked.append(1) or [])
        await pilot.pause(0.1)
        assert looked == []
        await pilot.press("escape")
        await until(pilot, lambda: bool(looked))


async def test_it_survives_every_size_and_says_so_where_it_is_too_small(folder):
    recorded(folder)
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, 1)
        for size in [(40, 12), (20, 5), (200, 60), (1, 1), (120, 40), (40, 12)]:
            await pilot.resize_terminal(*size)
        await pilot.pause()
        assert "60.00 test" in said(app)
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert "60.00 test" not in said(app)


async def test_without_unicode_there_is_none(folder):
    recorded(folder, name="größe")
    app = make_app(folder, settings=Settings(ascii=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, 1)
        rows = [table(app).render_line(y) for y in range(table(app).size.height)]
        assert all(segment.text.isascii() for row in rows for segment in row)


# Keys that move, filter, sort and mark


async def test_keys_move_the_highlight(folder):
    there = [recorded(folder, name=f"n{number}") for number in range(30)]
    newest = sorted(there, key=lambda run: run.id, reverse=True)
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, 30)
        page = table(app).page
        for key, place in [
            ("down", 1), ("j", 2), ("up", 1), ("k", 0), ("up", 0), ("pagedown", page), ("pageup", 0), ("end", 29),
            ("down", 29), ("home", 0),
        ]:  # fmt: skip
            await pilot.press(key)
            assert highlighted(app) == newest[place], key


async def test_a_filter_is_applied_as_it_is_typed_and_kept_by_enter_and_cleared_by_escape(folder):
    alpha, beta = recorded(folder, name="alpha"), recorded(folder, name="beta")
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, 2)
        await pilot.press("slash", "a", "l")
        assert [entry.run for entry in table(app)._entries] == [alpha]
        await pilot.press("enter")
        assert app.focused is table(app)
        assert "1 of 2" in said(app)
        await pilot.press("slash", "q")
        assert "None of 2 runs has q in its id" in said(app)
        assert app.is_running
        await pilot.press("escape")
        assert {entry.run for entry in table(app)._entries} == {alpha, beta}
        assert app.focused is table(app)
        await pilot.press("escape")
        assert isinstance(app.screen, LaunchScreen)


async def test_an_empty_filter_goes_away_with_enter(folder):
    recorded(folder)
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("slash", "enter")
        await pilot.press("escape")
        assert isinstance(app.screen, LaunchScreen)


async def test_orders_follow_one_another_can_be_turned_round_and_are_remembered(folder):
    best, worst = recorded(folder, name="b", top1=(0.9,)), recorded(folder, name="a", top1=(0.1,))
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 2)
        await pilot.press("o")
        assert [entry.run for entry in table(app)._entries] == [best, worst]
        assert app.layout.sort == "accuracy"
        await pilot.press("i")
        assert [entry.run for entry in table(app)._entries] == [worst, best]
        assert app.layout.sort == "-accuracy"
        await pilot.press("i", "o")
        assert [entry.run for entry in table(app)._entries] == [worst, best]
        assert app.layout.sort == "name"
        await pilot.press("o", "o", "o")
        assert app.layout.sort == "started"


async def test_an_order_that_is_not_known_is_the_first_one(folder):
    recorded(folder)
    app = make_app(folder)
    app.layout.sort = "beauty"
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        assert "by started" in said(app)


async def test_space_marks_and_goes_on_and_a_marks_all_or_none(folder):
    for number in range(3):
        recorded(folder, name=f"n{number}")
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, 3)
        await pilot.press("space", "space")
        assert "2 marked" in said(app)
        await pilot.press("up", "space")
        assert "1 marked" in said(app)
        await pilot.press("a")
        assert "3 marked" in said(app)
        await pilot.press("a")
        assert "marked" not in said(app)
        await pilot.press("slash", "n", "1", "enter", "a", "escape")
        assert [run.id.split("-")[-2] for run in screen(app)._list.marked] == ["n1"]


# What is done with runs


async def test_enter_opens_a_run_and_so_does_a_double_click(folder):
    run = recorded(folder)
    app = make_app(folder)
    asked = []
    app.open_run = asked.append
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("enter")
        await pilot.click(RunTable, offset=(6, 1), times=2)
        assert asked == [run, run]


@pytest.mark.parametrize(("count", "words"), [(0, "0 are marked"), (1, "1 is marked"), (9, "9 are marked")])
async def test_too_few_or_too_many_runs_are_not_compared(folder, count, words):
    for number in range(max(count, 1)):
        recorded(folder, name=f"n{number}")
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, max(count, 1))
        await pilot.press(*["space"] * count, "c")
        assert words in told(app)[0]
        assert isinstance(app.screen, RunsScreen)


async def test_marked_runs_are_compared(folder):
    for number in range(3):
        recorded(folder, name=f"n{number}")
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 3)
        await pilot.press("a", "c")
        assert isinstance(app.screen, CompareScreen)


class Started:
    """What is trained, without any training."""

    def __init__(self, app):
        self.starts, self.shown = [], []
        app.trainings.add = self.add
        app.show_run = self.shown.append

    def add(self, start):
        self.starts.append(start)
        return Scripted(start.run.path)


def begun(run):
    training = Scripted(run.path, run_started())
    training.begun = True
    return training


def with_checkpoint(run):
    run.checkpoints.mkdir()
    (run.checkpoints / "last.json").write_text('{"step": 10}')
    return run


async def test_a_stopped_run_is_resumed_and_shown(folder):
    run = with_checkpoint(recorded(folder, state="stopped"))
    app = make_app(folder)
    began = Started(app)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("r", "r", "r")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        assert began.starts == []
        await pilot.press("y")
        await until(pilot, lambda: began.shown)
        assert [start.run for start in began.starts] == [run]
        assert began.starts[0].resumed


async def test_a_complete_run_is_not_resumed(folder):
    recorded(folder)
    app = make_app(folder)
    began = Started(app)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("r")
        await until(pilot, lambda: told(app))
        assert "is complete" in told(app)[0]
        assert began.starts == []


async def test_a_run_that_is_running_is_not_resumed(folder):
    run = recorded(folder, state=None)
    app = make_app(folder)
    began = Started(app)
    with runs.locked(run):
        async with app.run_test() as pilot:
            await opened(app, pilot, 1)
            await pilot.press("r")
            await until(pilot, lambda: told(app))
            assert "is running already" in told(app)[0]
            assert began.starts == []


async def test_a_run_that_waits_in_this_process_is_not_resumed_a_second_time(folder):
    run = recorded(folder, state="stopped")
    app = make_app(folder)
    began = Started(app)
    app.trainings.all.append(begun(run))
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("r")
        await until(pilot, lambda: told(app))
        assert "is running in this process already" in told(app)[0]
        assert began.starts == []


async def test_a_run_whose_folder_has_gone_is_not_resumed(folder):
    run = recorded(folder, state="stopped")
    app = make_app(folder)
    began = Started(app)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        shutil.rmtree(run.path)
        await pilot.press("r")
        await until(pilot, lambda: told(app))
        assert began.starts == []


async def test_a_fork_is_asked_for_its_changes_which_are_judged_as_they_are_typed(folder):
    run = with_checkpoint(recorded(folder, state="stopped"))
    app = make_app(folder)
    began = Started(app)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, 1)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        assert "type what is to change" in said(app)
        await pilot.press(*"optimizer.lrr=1")
        assert "optimizer.lrr" in said(app)
        await pilot.press("enter")
        assert isinstance(app.screen, TextEntry)
        for _ in range(len("r=1")):
            await pilot.press("backspace")
        await pilot.press(*"=0.01 'a")
        assert "a quotation mark lacks its partner" in said(app)
        for _ in range(3):
            await pilot.press("backspace")
        await pilot.press("enter")
        await until(pilot, lambda: began.shown)
        (start,) = began.starts
        assert start.run != run
        assert start.run.path.parent == folder
        assert start.config.optimizer.lr == 0.01


async def test_a_fork_that_changes_nothing_is_none(folder):
    recorded(folder, "training.seed=3", state="stopped")
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, 1)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press(*"training.seed=3")
        assert "that changes nothing" in said(app)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_a_fork_of_a_run_without_a_checkpoint_is_refused_in_a_sentence(folder, monkeypatch):
    recorded(folder, state="stopped")
    app = make_app(folder)
    began = Started(app)

    def refuse(*_):
        raise ConfigError("has no checkpoint yet")

    monkeypatch.setattr(runs_screen, "forked", refuse)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, 1)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press(*"training.seed=3", "enter")
        await until(pilot, lambda: told(app))
        assert told(app) == ["has no checkpoint yet"]
        assert began.starts == []


async def test_the_highlighted_run_is_deleted_after_a_question_that_names_it(folder):
    run, kept = recorded(folder, name="gone"), recorded(folder, name="kept")
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, 2)
        await choose(pilot, run)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        assert "cannot be undone" in said(app)
        assert run.id in said(app)
        await pilot.press("escape")
        assert run.path.exists()
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press("y")
        await until(pilot, lambda: len(table(app)._entries) == 1)
        assert not run.path.exists()
        assert kept.path.exists()


async def test_marked_runs_are_deleted_and_one_that_runs_is_refused(folder):
    there = [recorded(folder, name=f"n{number}") for number in range(7)]
    live = recorded(folder, name="live", state=None)
    app = make_app(folder)
    with runs.locked(live):
        async with app.run_test(size=(120, 40)) as pilot:
            await opened(app, pilot, 8)
            await pilot.press("a", "d")
            await until(pilot, lambda: isinstance(app.screen, Choice))
            assert "these 8 runs" in said(app)
            await pilot.press("y")
            await until(pilot, lambda: any("7 of 8 runs deleted" in words for words in told(app)))
            assert any(live.id in words or str(live.path) in words for words in told(app))
            assert live.path.exists()
            assert not any(run.path.exists() for run in there)


async def test_a_run_of_this_process_is_paused_and_stopped_from_the_list(folder):
    run = recorded(folder, state=None)
    app = make_app(folder)
    here = begun(run)
    app.trainings.all.append(here)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("p")
        await until(pilot, lambda: here.asked == [TogglePause()])
        for key, request in [("e", Stop(after_epoch=True)), ("n", Stop())]:
            await pilot.press("x")
            await until(pilot, lambda: isinstance(app.screen, Choice))
            await pilot.press(key)
            await until(pilot, lambda wanted=request: here.asked[-1] == wanted)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press("escape")
        assert len(here.asked) == 3
        here.ended = True


async def test_a_run_of_another_process_is_asked_by_its_socket(folder, monkeypatch):
    run = recorded(folder, state=None)
    asked = []
    monkeypatch.setattr(runs_screen, "ask", lambda *words: asked.append(words))
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("p")
        await until(pilot, lambda: asked == [(run, TogglePause())])


async def test_a_run_that_has_ended_cannot_be_paused(folder):
    recorded(folder)
    app = make_app(folder)
    async with app.run_test() as pilot:
        await opened(app, pilot, 1)
        await pilot.press("p")
        await until(pilot, lambda: told(app))
        assert "is not running here" in told(app)[0]


async def test_the_detail_says_how_a_run_failed_and_how_to_go_on(folder):
    run = recorded(folder, state="diverged")
    summary = runs.read_summary(run.summary)
    run.summary.write_bytes(to_bytes(summary))
    app = make_app(folder)
    async with app.run_test(size=(160, 40)) as pilot:
        await opened(app, pilot, 1)
        assert "the loss is not finite" in said(app)
        assert f"cifar-tui --no-tui --resume {run.id}" in said(app)


async def test_help_lists_the_keys_of_the_list(folder):
    app = make_app(folder)
    async with app.run_test(size=(80, 40)) as pilot:
        await opened(app, pilot, 0)
        await pilot.press("question_mark")
        await pilot.pause()
        for words in ("reverse the order", "mark all shown, or none", "pause or go on", "resume", "fork", "compare"):
            assert words in said(app)


def test_every_key_can_be_changed():
    ids = [binding.id for binding in RunsScreen.BINDINGS]
    assert all(name.startswith(("runs.", "list.")) for name in ids)
    assert len(set(ids)) == len(ids)
