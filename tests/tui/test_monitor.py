"""The monitor: what it shows of a run's events, what its keys do, and what it survives."""

import shutil
from pathlib import Path

import pytest
from apps import Scripted, make_app
from samples import epoch_completed, evaluated, run_started

from cifar_core.events import (
    CheckpointSaved,
    GpuSample,
    Paused,
    Preparing,
    Resumed,
    RunFinished,
    StepCompleted,
    SystemSampled,
    Warned,
)
from cifar_experiments.live.protocol import Checkpoint, Set, Stop, TogglePause
from cifar_tui.screens import monitor
from cifar_tui.screens.controlled import learning_rate_fault
from cifar_tui.screens.dialogs import Choice, TextEntry
from cifar_tui.screens.monitor import PANES, MonitorScreen
from cifar_tui.settings import Layout, Settings

WIDE, USUAL, TINY = (120, 40), (80, 24), (40, 12)


def steps(first, last):
    return [
        StepCompleted(time=100 + n / 100, epoch=1, step=n, loss=2.0 - n / 4000, accuracy=0.5, learning_rate=0.001)
        for n in range(first, last + 1)
    ]


def sampled(seconds=0, gpus=()):
    return SystemSampled(time=100.0 + seconds, process_cpu=1.0, host_cpu=0.3, process_memory=1 << 30, gpus=tuple(gpus))


def saved(**changes):
    figures = {"time": 130.0, "epoch": 1, "step": 2000, "best": True, "path": "/r/best.safetensors"}
    return CheckpointSaved(**{**figures, "bytes": 1, "seconds": 0.1, **changes})


def finished(**changes):
    figures = {"time": 140.0, "reason": "completed", "epoch": 2, "step": 4000, "best_top1": 0.55, "final_top1": 0.54}
    seconds = {"training_seconds": 10, "evaluation_seconds": 1, "data_seconds": 1, "paused_seconds": 0}
    return RunFinished(**{**figures, **seconds, **changes})


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    """Nothing here is trained that drawing could hold up."""
    monkeypatch.setattr(monitor, "REDRAW_SECONDS", 0.05)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("20260101-000000-mine")  # a long one would be folded in the middle of what tests look for
    path.mkdir()
    (path / "log.txt").write_text("the first line\n")
    started = run_started(total_steps=4000, steps_per_epoch=2000)
    return Scripted(path, started, *steps(1, 2000), evaluated(step=2000), sampled())


def opened(run, **options):
    return make_app(run.run.path.parent, first=run, **options)


def text(app):
    """All that is on the screen."""
    return "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())


async def until(pilot, condition):
    for _ in range(200):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError(f"it never came; the screen was\n{text(pilot.app)}")


async def seen(pilot, *words):
    await until(pilot, lambda: all(word in text(pilot.app) for word in words))


def visible(app):
    return [
        pane
        for pane in PANES
        if app.screen.query_one(f"#{pane}").region.area and app.screen.query_one(f"#{pane}").display
    ]


async def test_everything_is_in_sight_on_a_wide_terminal(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "mine · running · step 2,000/4,000", "Loss · smoothing .9", "Accuracy %", "the first line")
        await seen(pilot, "Classes · val, step 2,000", "50.0", "most confused a->b 1", "cpu", "100 %", "★ best")
        assert visible(pilot.app) == list(PANES)


async def test_on_a_usual_terminal_the_log_waits_to_be_asked_for(run):
    async with opened(run).run_test(notifications=True, size=USUAL) as pilot:
        await seen(pilot, "mine · running", "Loss", "Accuracy", "Classes", "Machine")
        assert visible(pilot.app) == ["loss", "accuracy", "classes", "machine"]
        await pilot.press("5")
        await seen(pilot, "the first line")
        assert visible(pilot.app) == list(PANES)
        await pilot.press("5")
        await until(pilot, lambda: "log" not in visible(pilot.app))


async def test_on_a_tiny_terminal_one_pane_is_shown_at_a_time(run):
    async with opened(run).run_test(notifications=True, size=TINY) as pilot:
        await seen(pilot, "mine", "running", "Loss")
        for key, pane in zip("12345", PANES, strict=True):
            await pilot.press(key)
            await until(pilot, lambda pane=pane: visible(pilot.app) == [pane])
        for pane in PANES:
            await pilot.press("tab")
            await until(pilot, lambda pane=pane: visible(pilot.app) == [pane])
        await pilot.press("shift+tab")
        await until(pilot, lambda: visible(pilot.app) == ["machine"])


async def test_below_that_there_is_a_sentence_and_every_key_does_no_harm(run):
    async with opened(run).run_test(notifications=True, size=(20, 5)) as pilot:
        await seen(pilot, "cifar-tui needs 40 x")
        assert not pilot.app.screen.query_one("#charts").display
        await pilot.press(*"12345fylsw+-0", "tab", "left", "right", "up")
        for size in [(10, 3), (39, 12), (1, 1), (40, 11)]:
            await pilot.resize_terminal(*size)
            await pilot.press("f", "tab")
        await pilot.resize_terminal(*WIDE)
        await seen(pilot, "mine", "running")


async def test_a_storm_of_resizes_is_survived(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        for size in [(20, 5), (200, 60), (40, 12), (80, 50), (1, 1), (41, 13), (300, 10), (60, 20)]:
            await pilot.resize_terminal(*size)
            run.apply(*steps(2001, 2001))
        await pilot.resize_terminal(*WIDE)
        await seen(pilot, "step 2,001/4,000", "Machine", "the first line")


async def test_new_events_are_shown(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "step 2,000/4,000")
        run.apply(*steps(2001, 2500), epoch_completed(), evaluated(step=2500, class_correct=(2, 0)))
        await seen(pilot, "step 2,500/4,000", "62.5 %", "Classes · val, step 2,500", "+50.0", "-50.0")


async def test_what_is_not_new_is_not_drawn(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "the first line")
        screen, drawn = pilot.app.screen, []
        screen._redraw()
        screen._painting._plots = lambda *_: drawn.append("charts") or []
        screen._redraw()
        assert drawn == []
        run.apply(*steps(2001, 2001))
        screen._redraw()
        assert drawn == ["charts"]


async def test_nothing_is_drawn_while_the_terminal_is_behind(run, monkeypatch):
    app = opened(run)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "step 2,000/4,000")
        monkeypatch.setattr(type(app), "behind", True)
        run.apply(*steps(2001, 2500))
        pilot.app.screen._redraw()
        await pilot.pause()
        assert "step 2,000/4,000" in text(app)
        monkeypatch.setattr(type(app), "behind", False)
        await seen(pilot, "step 2,500/4,000")


async def test_a_pause_moves_nothing_on_the_screen_though_the_machine_is_sampled(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        run.apply(Paused(time=131.0, epoch=1, step=2000))
        await seen(pilot, "paused", "the first line", "esc back")
        before = text(pilot.app)
        run.apply(sampled(40, [GpuSample(index=0, name="H200")]))
        pilot.app.screen._redraw()
        await pilot.pause()
        assert text(pilot.app) == before
        run.apply(Resumed(time=190.0, epoch=1, step=2000))
        await seen(pilot, "running", "GPU0 H200")


async def test_a_gpu_that_is_lost_is_gone(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        run.apply(sampled(1, [GpuSample(index=0, name="H200", utilisation=0.5)]))
        await seen(pilot, "GPU0 H200", "50 %")
        run.apply(sampled(2))
        await seen(pilot, "gone")


async def test_preparing_and_waiting_are_told(tmp_path):
    fresh = Scripted(tmp_path / "fresh")
    async with opened(fresh).run_test(notifications=True, size=USUAL) as pilot:
        await seen(pilot, "fresh · starting", "There are no values to show yet.")
        fresh.apply(Preparing(time=1.0, phase="download", subject="cifar.tar.gz", done=43, total=100, unit="B"))
        await seen(pilot, "preparing · download cifar.tar.gz 43 %")


async def test_a_run_whose_turn_has_not_come_says_what_it_waits_for(run, tmp_path):
    class Waiting(Scripted):
        status = "waiting"

    app = opened(Waiting(tmp_path / "later"))
    run.begun = True
    app.trainings.all.append(run)
    async with app.run_test(notifications=True, size=USUAL) as pilot:
        await seen(pilot, "later · waiting", f"waits until {run.run.id} has ended")
        await pilot.press("space")
        await seen(pilot, "later has not begun yet")


async def test_the_end_tells_how_it_went_and_what_goes_on(run):
    run.apply(saved(), finished())
    run.ended = True
    async with opened(run).run_test(notifications=True, size=(160, 40)) as pilot:
        await seen(pilot, "completed", "test 54.00 %", "best val 55.00 %", "best checkpoint: /r/best.safetensors")
        await seen(pilot, f"repeat it: cifar-tui --no-tui {run.run.toml}")


async def test_a_failure_is_told_in_a_sentence_with_the_command_that_goes_on(run):
    run.apply(saved(), finished(reason="diverged", error="the loss is \x1b[31mnot finite: use a smaller learning rate"))
    run.ended = True
    async with opened(run).run_test(notifications=True, size=(160, 40)) as pilot:
        await seen(pilot, "diverged", "the loss is \\x1b[31mnot finite", "go on with it: cifar-tui --no-tui --resume")


async def test_a_warning_is_told(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        run.apply(Warned(time=1.0, code="fell-back", message="[bold]fell back"))
        await seen(pilot, "warning: [bold]fell back")


async def test_a_folder_that_is_deleted_is_told_and_the_screen_lives(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "the first line")
        shutil.rmtree(run.run.path)
        run.ended, run.error = True, "the folder is no longer there"
        await seen(pilot, "the folder is no longer there", "is not there")
        await pilot.press("space", "l")
        await seen(pilot, "log")


async def test_space_pauses_and_the_engine_says_when_it_did(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "running")
        await pilot.press("space")
        await seen(pilot, "pausing ...")
        assert run.asked == [TogglePause()]
        run.apply(Paused(time=131.0, epoch=1, step=2000))
        await seen(pilot, "paused")
        await pilot.press("space")
        await seen(pilot, "resuming ...")
        run.apply(Resumed(time=132.0, epoch=1, step=2000))
        await seen(pilot, "running")


async def test_c_has_a_checkpoint_saved(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("c")
        await seen(pilot, "saving ...")
        assert run.asked == [Checkpoint()]
        run.apply(saved())
        await seen(pilot, "running")


async def test_a_refused_request_is_told(run):
    run.refuses = "the socket is \x1bgone"
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("c")
        await seen(pilot, "the socket is \\x1bgone", "running")


async def test_e_changes_the_learning_rate_and_takes_no_nonsense(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, TextEntry))
        await seen(pilot, "now 0.001")
        await pilot.press(*["backspace"] * 5, *"-1", "enter")
        assert isinstance(pilot.app.screen, TextEntry)
        await seen(pilot, "above 0")
        await pilot.press("backspace", "backspace", *"0.05", "enter")
        await until(pilot, lambda: run.asked == [Set(key="optimizer.lr", value=0.05)])
        await seen(pilot, "changing the learning rate ...")


@pytest.mark.parametrize("wrong", ["", "x", "0", "-1", "nan", "inf", "1e999"])
def test_a_learning_rate_is_a_positive_finite_number(wrong):
    assert learning_rate_fault(wrong)
    assert learning_rate_fault("3e-4") is None


@pytest.mark.parametrize(("key", "after_epoch"), [("e", True), ("n", False)])
async def test_x_asks_how_to_stop_and_the_charts_stay_alive(run, key, after_epoch):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "Loss")
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        run.apply(*steps(2001, 2200))
        await until(pilot, lambda: pilot.app.screen_stack[1]._painting.steps[0] == 2200)
        await pilot.press(key)
        await until(pilot, lambda: run.asked == [Stop(after_epoch=after_epoch)])
        await seen(pilot, "stopping after this epoch ..." if after_epoch else "stopping ...")


async def test_escape_leaves_the_question_and_nothing_is_asked(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        for key in ("x", "d", "e"):
            await pilot.press(key)
            await until(pilot, lambda: len(pilot.app.screen_stack) == 3)
            await pilot.press("escape")
            await until(pilot, lambda: len(pilot.app.screen_stack) == 2)
        assert run.asked == []
        assert pilot.app.farewell == ""


@pytest.mark.parametrize("keys", [("d", "d"), ("x", "d")])
async def test_detaching_a_training_of_this_process_asks_and_closes_the_screens(run, keys):
    app = opened(run)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: app.farewell == "detach")


@pytest.mark.parametrize("keys", [("d",), ("x", "d"), ("escape",)])
async def test_a_run_trained_elsewhere_is_just_left(run, keys):
    run.trained_here = False
    app = opened(run)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: not isinstance(app.screen, MonitorScreen))
        await until(pilot, lambda: run.left)
        assert app.farewell == ""


@pytest.mark.parametrize("key", ["space", "c", "e"])
async def test_keys_before_the_first_event_say_so(tmp_path, key):
    fresh = Scripted(tmp_path / "fresh")
    async with opened(fresh).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press(key)
        await seen(pilot, "fresh has not begun yet")
        assert fresh.asked == []


async def test_a_run_can_be_stopped_before_its_first_event(tmp_path):
    fresh = Scripted(tmp_path / "fresh")
    async with opened(fresh).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("n")
        await until(pilot, lambda: fresh.asked == [Stop()])


@pytest.mark.parametrize("key", ["space", "c", "e", "x", "d"])
async def test_keys_that_steer_a_training_are_offered_until_its_end(run, key):
    run.apply(finished())
    run.ended = True
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "completed", "esc back")
        assert key not in pilot.app.screen.active_bindings
        await pilot.press(key)
        assert isinstance(pilot.app.screen, MonitorScreen)
        assert run.asked == []


async def test_escape_shows_all_panes_before_it_leaves(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("f")
        await until(pilot, lambda: not pilot.app.screen.query_one("#accuracy").display)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen.query_one("#accuracy").display)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, MonitorScreen))


async def test_the_curves_can_be_looked_at_in_every_way(run):
    app = opened(run)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "Loss · smoothing .9")
        for _, words in zip(range(4), ("smoothing .99", "Loss ─", "smoothing .6", "smoothing .9"), strict=True):
            await pilot.press("s")
            await seen(pilot, words)
        await pilot.press("l")
        await seen(pilot, "Loss · smoothing .9 · log")
        await pilot.press("w")
        await seen(pilot, "Loss · smoothing .9 · log · recent")
        assert (app.layout.log, app.layout.recent, app.layout.smoothing) == (True, True, 0.9)


@pytest.mark.parametrize(
    ("closer", "back", "earlier", "later"),
    [("plus", "minus", "left", "right"), ("equals_sign", "minus", "comma", "full_stop")],
)
async def test_charts_are_zoomed_and_panned(run, closer, back, earlier, later):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "Loss")
        screen = pilot.app.screen
        whole = screen._window.steps(2000, 4000)
        await pilot.press(closer)
        await seen(pilot, "zoomed")
        first, last = screen._window.steps(2000, 4000)
        assert last - first == (whole[1] - whole[0]) / 2
        await pilot.press(earlier)
        assert screen._window.steps(2000, 4000)[1] < last
        await pilot.press(later)
        assert screen._window.steps(2000, 4000) == (first, last)
        await pilot.press(back)
        assert screen._window.steps(2000, 4000) == whole


async def test_panes_are_hidden_and_shown_and_that_is_remembered(run):
    layout = Layout()
    async with opened(run, layout=layout).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "the first line")
        for key, pane in zip("12345", PANES, strict=True):
            await pilot.press(key)
            await until(pilot, lambda pane=pane: pane not in visible(pilot.app))
        assert layout.hidden == set(PANES)
        await pilot.press("tab", "f", "up")
        await pilot.press("0")
        await until(pilot, lambda: visible(pilot.app) == list(PANES))
        assert not layout.hidden
    async with opened(run, layout=Layout(hidden={"machine"})).run_test(notifications=True, size=WIDE) as pilot:
        await until(pilot, lambda: visible(pilot.app) == ["loss", "accuracy", "classes", "log"])


async def test_a_pane_fills_the_screen_and_gives_it_back(run):
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "the first line")
        await pilot.press("tab", "tab", "f")
        await until(pilot, lambda: visible(pilot.app) == ["classes"])
        await pilot.press("tab")
        await until(pilot, lambda: visible(pilot.app) == ["machine"])
        await pilot.press("f")
        await until(pilot, lambda: visible(pilot.app) == list(PANES))
        await pilot.press("y")
        await until(pilot, lambda: visible(pilot.app) == ["log"])
        assert pilot.app.screen.query_one("#log").outer_size.width == 120
        await pilot.press("y")
        await until(pilot, lambda: visible(pilot.app) == list(PANES))


async def test_tab_walks_the_panes_in_order_and_back(run):
    app = opened(run)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "the first line")
        order = ["accuracy", "class-rows", "machine", "log", "loss"]
        for name in order:
            await pilot.press("tab")
            await until(pilot, lambda name=name: app.focused.id == name)
        await pilot.press("shift+tab")
        assert app.focused.id == "log"


async def test_a_hundred_classes_are_scrolled(tmp_path):
    names = tuple(f"class{n:03}" for n in range(100))
    row = (0,) * 100
    run = Scripted(tmp_path / "many", run_started(classes=names))
    right, total = tuple(range(100, 0, -1)), (100,) * 100
    run.apply(evaluated(step=2001, class_correct=right, class_total=total, confusion=(row,) * 100))
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "class000")
        assert "class099" not in text(pilot.app)
        await pilot.press("tab", "tab", "end")
        await seen(pilot, "class099")
        await pilot.press("home", "j", "j", "k")
        await until(pilot, lambda: pilot.app.screen.query_one("#class-rows").scroll_offset.y == 1)


async def test_names_steer_no_terminal_and_are_no_markup(tmp_path):
    evil = "\x1b[31m[bold]x[/]"
    run = Scripted(tmp_path / "evil", run_started(experiment=evil, classes=(evil, "深" * 40)), *steps(1, 5))
    run.apply(evaluated(step=5), sampled(1, [GpuSample(index=0, name=evil)]))
    for settings in (Settings(), Settings(ascii=True)):
        async with opened(run, settings=settings).run_test(notifications=True, size=WIDE) as pilot:
            await seen(pilot, "\\x1b[31m[bold]x[/]", "GPU0 \\x1b[31m[bold]x[/]")
            assert "\x1b" not in text(pilot.app)


@pytest.mark.parametrize("size", [WIDE, USUAL, TINY])
async def test_without_unicode_everything_is_ascii(run, size):
    async with opened(run, settings=Settings(ascii=True)).run_test(notifications=True, size=size) as pilot:
        await seen(pilot, "mine", "running")
        body = text(pilot.app).rsplit("\n", 2)[0]
        assert body.replace("…", "").isascii()


async def test_every_key_is_in_the_help(run):
    async with opened(run).run_test(notifications=True, size=(120, 60)) as pilot:
        await pilot.press("question_mark")
        shown = [binding.description for binding in MonitorScreen.BINDINGS]
        await seen(pilot, *shown)
        assert all(binding.id for binding in MonitorScreen.BINDINGS)


async def test_a_history_of_many_steps_is_shown(run):
    run.apply(*steps(2001, 100_000))
    async with opened(run).run_test(notifications=True, size=WIDE) as pilot:
        await seen(pilot, "step 100,000/4,000", "100.0 %")
