"""Runs side by side: what is drawn, what differs, and what is said where something cannot be read."""

from __future__ import annotations

import time

import pytest
from apps import make_app
from recorded import recorded

from cifar_tui import comparison
from cifar_tui.screens.compare import CompareScreen
from cifar_tui.settings import Layout, Settings
from cifar_tui.widgets.chart import Chart
from cifar_tui.widgets.sheet import Sheet


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def seeds(folder):
    """Two learning rates, the first one with two seeds."""
    return [
        recorded(folder, "optimizer.lr=0.5", "training.seed=1", top1=(0.5, 0.6)),
        recorded(folder, "optimizer.lr=0.5", "training.seed=2", top1=(0.5, 0.7)),
        recorded(folder, "optimizer.lr=0.25", "training.seed=1", top1=(0.2, 0.3)),
    ]


async def until(pilot, condition):
    """Wait for what comes from a thread."""
    latest = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < latest
        await pilot.pause(0.01)


async def opened(app, pilot, there):
    await app.push_screen(CompareScreen(there))
    await until(pilot, lambda: app.screen._read_at)
    await pilot.pause()


def said(app):
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def drawn(app):
    return app.screen.query_one(Chart)._plot


def rows(app, name):
    return ["".join(text for text, _ in line) for line in app.screen.query_one(f"#{name}", Sheet)._lines]


async def test_runs_are_named_by_what_differs_and_drawn_in_lines_of_their_own(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        assert [line.name for line in drawn(app).lines] == ["lr 0.5 seed 1", "lr 0.5 seed 2", "lr 0.25"]
        assert [line.style for line in drawn(app).lines] == ["other1", "other2", "other3"]
        assert app.screen.query_one(Chart).border_title == "Test accuracy %"
        assert [line.points[-1][3] for line in drawn(app).lines] == pytest.approx([60, 70, 30])
        assert "as of " in said(app)


async def test_the_tables_say_what_differs_and_how_far_seeds_spread(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        assert any("lr 0.5" in row and "2 seeds" in row and "65.00 ± 7.07" in row for row in rows(app, "runs"))
        keys = [row.split() for row in rows(app, "differences")[1:]]
        assert keys == [["optimizer.lr", "0.5", "0.5", "0.25"], ["training.seed", "1", "2", "1"]]
        assert rows(app, "classes")[1].split() == ["cat", "60.0", "70.0", "30.0", "40.0"]


async def test_v_shows_one_kind_of_curves_after_the_other(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        titles = []
        for _ in range(4):
            await pilot.press("v")
            titles.append(app.screen.query_one(Chart).border_title)
        assert titles == [
            "Training loss · smoothing .9",
            "Training accuracy % · smoothing .9",
            "Test loss",
            "Test accuracy %",
        ]


async def test_g_shows_the_mean_over_seeds_with_a_band_and_then_single_runs_again(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        await pilot.press("g")
        band, mean, single = drawn(app).lines
        assert (band.style, mean.name, single.name) == ("raw", "lr 0.5", "lr 0.25")
        assert mean.points[-1][3] == pytest.approx(65)
        assert band.points[-1][2] == pytest.approx(65 + 7.0710678)
        assert "mean over seeds" in said(app)
        await pilot.press("g")
        assert len(drawn(app).lines) == 3


async def test_without_several_seeds_there_is_no_mean(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds[1:])
        await pilot.press("g")
        assert [note.message for note in app._notifications] == [
            "No two of these runs differ in nothing but their seed or fold."
        ]


async def test_the_scale_can_be_logarithmic(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        await pilot.press("l")
        assert drawn(app).log
        await pilot.press("l")
        assert not drawn(app).log


async def test_smoothing_is_that_of_the_monitor_and_is_remembered(folder, seeds):
    app = make_app(folder, layout=Layout(smoothing=0.0))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        await pilot.press("v")
        rough = drawn(app).lines[0].points[-1][3]
        await pilot.press("s")
        assert app.layout.smoothing == 0.6
        assert drawn(app).lines[0].points[-1][3] > rough
        assert "smoothing .6" in said(app)


async def test_tab_walks_the_panes_and_f_gives_one_all_the_room(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        assert app.focused.id == "chart"
        walked = []
        for _ in range(4):
            await pilot.press("tab")
            walked.append(app.focused.id)
        assert walked == ["runs", "differences", "classes", "chart"]
        await pilot.press("f")
        await pilot.pause()
        assert app.screen.query_one(Chart).size.height > 30
        await pilot.press("shift+tab")
        await pilot.pause()
        assert app.focused.id == "classes"
        assert app.focused.size.height > 30
        assert not app.screen.query_one(Chart).is_on_screen
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused.size.height < 30
        await pilot.press("escape")
        assert not isinstance(app.screen, CompareScreen)


async def test_where_there_is_little_room_one_table_is_seen_and_tab_opens_the_next(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, seeds)
        assert [sheet.id for sheet in app.screen.query(Sheet) if sheet.display] == ["runs"]
        assert "Configuration" in said(app)
        await pilot.press("tab", "tab")
        assert [sheet.id for sheet in app.screen.query(Sheet) if sheet.display] == ["differences"]
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert not app.screen.query_one(Chart).display
        await pilot.press("tab", "tab")
        assert app.screen.query_one(Chart).display


async def test_a_hundred_classes_scroll_below_their_titles(folder):
    names = tuple(f"class{number}" for number in range(100))
    there = [recorded(folder, f"training.seed={seed}", classes=names, top1=(0.01 * seed,)) for seed in (1, 2)]
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, there)
        await pilot.press("shift+tab")
        await pilot.pause()
        sheet = app.focused
        before = sheet.render_line(1).text
        await pilot.press("j", "j")
        await pilot.pause()
        assert sheet.scroll_offset.y == 2
        assert sheet.render_line(0).text.startswith("class ")
        assert sheet.render_line(1).text != before
        await pilot.press("k", "k")
        await pilot.pause()
        assert sheet.render_line(1).text == before
        await pilot.press("end")
        await until(pilot, lambda: rows(app, "classes")[-1].split()[0] in said(app))


async def test_a_run_that_cannot_be_read_is_a_sentence_and_the_others_are_compared(folder, seeds):
    seeds[1].events.write_text("no event\n")
    seeds[0].summary.unlink()
    app = make_app(folder)
    async with app.run_test(size=(300, 40)) as pilot:
        await opened(app, pilot, seeds)
        assert "is no event" in " ".join(said(app).split())
        assert "summary.json: cannot be read" in " ".join(said(app).split())
        assert len(drawn(app).lines) == 1


async def test_where_nothing_can_be_read_no_key_fails(folder, seeds):
    for run in seeds:
        run.summary.unlink()
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        await pilot.press("v", "y", "s", "f", "tab", "j", "k", "f", "g")
        assert "There are no values to show yet." in said(app)


async def test_r_reads_again(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        seeds[2].summary.unlink()
        await pilot.press("r")
        await until(pilot, lambda: app.screen._reading.done and len(app.screen._compared) == 2)
        assert len(drawn(app).lines) == 2


async def test_names_cannot_steer_the_terminal_or_mark_text_up(folder):
    there = [recorded(folder, name=name, classes=("\x1b[2J", "[red]x")) for name in ("\x1b[31mevil", "[bold]b")]
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, there)
        assert "\x1b" not in said(app)
        for words in (r"\x1b[31mevil", "[bold]b", r"\x1b[2J", "[red]x"):
            assert words in said(app)


async def test_without_unicode_there_is_none(folder, seeds):
    app = make_app(folder, settings=Settings(ascii=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        tables = app.screen.query_one("#tables").region
        lines = said(app).splitlines()[: tables.bottom]
        assert all(line.isascii() for line in lines)


async def test_it_survives_every_size(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, seeds)
        for size in [(40, 12), (20, 5), (200, 60), (1, 1), (120, 40), (60, 20), (100, 24)]:
            await pilot.resize_terminal(*size)
        await pilot.pause()
        assert "lr 0.5 seed 1" in said(app)


async def test_an_idle_comparison_repaints_nothing(folder, seeds):
    app = make_app(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, seeds)
        await pilot.pause(0.1)
        asked = []
        app.screen.query_one(Chart).render_line = asked.append
        app.screen.query_one("#runs").render_line = asked.append
        await pilot.pause(0.3)
        assert asked == []


def test_every_key_can_be_changed():
    ids = [binding.id for binding in CompareScreen.BINDINGS]
    assert all(name.startswith(("compare.", "list.")) for name in ids)
    assert len(set(ids)) == len(ids)


def test_equal_runs_are_told_apart_by_their_ids(folder):
    from cifar_experiments import comparing

    compared = [comparing.read(recorded(folder)) for _ in range(2)]
    names = comparison.labels(compared, comparing.groups(compared))
    assert [name.split()[-1] for name in names] == [each.run.id[-4:] for each in compared]
