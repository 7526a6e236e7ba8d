"""The list of runs shows what there is room for, and repaints only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.app import App

from cifar_experiments.runs import Run, Summary
from cifar_experiments.runs.roster import Entry
from cifar_tui.run_order import ORDERS, matching, ordered
from cifar_tui.run_words import ago, duration
from cifar_tui.widgets.run_columns import Columns, Shown
from cifar_tui.widgets.run_table import RunTable
from cifar_tui.widgets.sparkline import sparkline

NOW = 1_000_000.0


def entry(number=0, *, tail="ab12", **changes):
    name = f"20260101-{number:06}-mine-{tail}"
    figures = {
        "id": name,
        "experiment": "mine",
        "model": "lenet-notes",
        "state": "completed",
        "pid": 1,
        "host": "here",
        "started": NOW - 120,
        "steps": 1_200,
        "epochs": 3,
        "total_epochs": 10,
        "final_top1": 0.5432,
        "accuracies": (0.1, 0.3, 0.5),
        "training_seconds": 61.0,
    }
    return Entry(Run(Path("/runs", name)), Summary(**{**figures, **changes}), None)


def damaged(number=0, error="summary.json: is no summary"):
    return Entry(Run(Path("/runs", f"20260101-{number:06}-torn-00ff")), None, error)


def text(each, width=120, *, plain=False, marked=False, here=False):
    row = Columns.fitting(width).row(each, Shown(NOW, plain), marked=marked, here=here)
    return "".join(piece for piece, _ in row)


class Counted(RunTable):
    def __init__(self, **options):
        super().__init__(clock=lambda: NOW, **options)
        self.asked = []

    def render_line(self, y):
        self.asked.append(y)
        return super().render_line(y)


class Stage(App):
    CSS = "Screen { overflow: hidden; }"

    def __init__(self):
        super().__init__()
        self.table = Counted()
        self.told = []

    def compose(self):
        yield self.table

    def on_run_table_highlighted(self):
        self.told.append(self.table.highlighted)

    def on_run_table_opened(self):
        self.told.append("opened")


def on_screen(app):
    return ["".join(segment.text for segment in app.table.render_line(y)) for y in range(app.table.size.height)]


# What a row says


def test_a_wide_row_says_all_there_is():
    row = text(entry(), 160)
    for words in ("mine ab12", "✓ completed", "54.32 test", "3/10", "1,200", "1:01", "2 min ago", "lenet-notes", "▁"):
        assert words in row


def test_the_important_columns_are_the_last_to_go():
    assert "54.32 test" in text(entry(), 40)
    assert "2 min ago" not in text(entry(), 40)
    assert "▁" in text(entry(), 80)
    assert "lenet-notes" not in text(entry(), 80)


@pytest.mark.parametrize("name", ["mine", "深" * 30, "\x1b[31m[bold]é"])
def test_no_row_is_wider_than_its_room_and_columns_stand_below_their_titles(name):
    for width in [*range(5, 170), 300]:
        head = "".join(piece for piece, _ in Columns.fitting(width).head())
        rows = [text(each, width) for each in (entry(experiment=name), damaged(error=name))]
        assert cell_len(rows[0]) == cell_len(head)
        assert max(cell_len(row) for row in rows) <= width
        assert "\x1b" not in "".join(rows)


def test_the_best_on_validation_images_stands_in_where_nothing_was_tested():
    assert "48.00 val" in text(entry(final_top1=None, best_top1=0.48))
    assert "%" not in text(entry(final_top1=None))


def test_a_damaged_run_is_a_row_with_its_error():
    assert "✗ damaged: summary.json: is no summary" in text(damaged())


@pytest.mark.parametrize(
    "state", ["created", "running", "paused", "completed", "stopped", "diverged", "failed", "crashed"]
)
def test_every_state_is_a_symbol_and_a_word(state):
    assert f" {state}" in text(entry(state=state))
    assert text(entry(state=state), plain=True).isascii()


def test_marks_and_the_highlight_are_seen_without_colours():
    assert len({text(entry(), marked=marked, here=here) for marked in (True, False) for here in (True, False)}) == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (60, "1 min ago"), (7200, "2 h ago"), (86_400, "yesterday")],
)
def test_when_is_said_in_words(seconds, words):
    assert ago(NOW - seconds, NOW) == words


def test_what_is_long_ago_is_a_date():
    assert len(ago(NOW - 30 * 86_400, NOW)) == 10


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0.0 s"), (59.99, "1:00"), (3725, "1:02:05"), (3600 * 1000, "1000 h")]
)
def test_a_time_span_is_short(seconds, words):
    assert duration(seconds) == words


# The sparkline


def test_a_sparkline_rises_from_its_lowest_to_its_highest():
    assert sparkline((0.1, 0.5, 0.9), 8) == "▁▅█"
    assert sparkline((0.1, 0.5, 0.9), 8, ascii=True).isascii()


def test_a_long_series_is_gathered_and_ends_with_its_newest():
    line = sparkline([*[0.1] * 100, 0.9], 8)
    assert len(line) == 8
    assert line.endswith("▁█")


@pytest.mark.parametrize(
    ("values", "width", "line"), [((), 8, ""), ((0.5,), 8, "▄"), ((0.5, 0.5), 8, "▄▄"), ((1,), 0, "")]
)
def test_a_sparkline_of_little_is_no_fault(values, width, line):
    assert sparkline(values, width) == line


# Filter and order


def test_a_filter_looks_at_id_experiment_model_and_state_and_wants_every_word():
    here, there = entry(1, experiment="Alpha"), entry(2, state="crashed", model="resnet18")
    assert matching([here, there], "alpha") == [here]
    assert matching([here, there], "RESNET crash") == [there]
    assert matching([here, there], "resnet alpha") == []
    assert matching([here, there, damaged(3)], "torn") == [damaged(3)]


@pytest.mark.parametrize("order", ORDERS)
def test_runs_of_which_nothing_is_known_come_last_either_way(order):
    known = [entry(2), entry(1, experiment="a", state="running", final_top1=0.9, training_seconds=1.0)]
    there = [*known, damaged(0)]
    for backwards in (False, True):
        last = ordered(there, order, backwards=backwards)[-1]
        assert last == damaged(0) or order == "started"
    assert ordered(there, order) != ordered(there, order, backwards=True)


def test_orders_put_first_what_is_looked_for():
    plain, other = entry(2), entry(1, experiment="a", state="running", final_top1=0.9, training_seconds=1.0)
    for order, first in [("started", plain), ("accuracy", other), ("name", other), ("state", other), ("time", plain)]:
        assert ordered([plain, other], order)[0] == first


# The widget


async def test_only_the_rows_that_changed_are_repainted():
    app = Stage()
    async with app.run_test() as pilot:
        app.table.show([entry(number) for number in range(20)], ())
        await pilot.pause()
        app.table.asked.clear()
        app.table.show([entry(number) for number in range(20)], ())
        await pilot.pause()
        assert app.table.asked == []
        app.table.show(
            [entry(number, steps=7 if number == 4 else 1_200, epochs=4 if number == 4 else 3) for number in range(20)],
            (),
        )
        await pilot.pause()
        assert app.table.asked == [5]


async def test_a_thousand_runs_are_made_only_where_they_are_seen():
    app = Stage()
    async with app.run_test() as pilot:
        app.table.show([entry(number) for number in range(1_000)], ())
        await pilot.pause()
        app.table.move_to(10**9)
        await pilot.pause()
        assert app.table.highlighted == entry(999)
        assert "▸" in on_screen(app)[-1]
        assert len(app.table._rows) <= app.table.size.height
        app.table.move(-(10**9))
        await pilot.pause()
        assert "▸" in on_screen(app)[1]


async def test_the_highlight_stays_with_its_run():
    app = Stage()
    async with app.run_test() as pilot:
        app.table.show([entry(2), entry(1)], ())
        app.table.move(1)
        app.table.show([entry(3), entry(2), entry(1)], ())
        await pilot.pause()
        assert app.table.highlighted == entry(1)
        app.table.show([entry(3), entry(2)], ())
        await pilot.pause()
        assert app.table.highlighted == entry(2)
        app.table.show([], ())
        await pilot.pause()
        assert app.table.highlighted is None
        assert app.told[-1] is None


async def test_fewer_runs_leave_nothing_of_the_others_behind():
    app = Stage()
    async with app.run_test(size=(80, 10)) as pilot:
        app.table.show([entry(number) for number in range(50)], ())
        app.table.move_to(49)
        await pilot.pause()
        app.table.show([entry(0), entry(1)], ())
        await pilot.pause()
        rows = on_screen(app)
        assert sum("mine" in row for row in rows) == 2
        assert "▸" in "".join(rows)


async def test_a_click_highlights_and_a_second_one_opens():
    app = Stage()
    async with app.run_test() as pilot:
        app.table.show([entry(number) for number in range(5)], ())
        await pilot.pause()
        await pilot.click(RunTable, offset=(5, 3))
        assert app.table.highlighted == entry(2)
        assert "opened" not in app.told
        await pilot.click(RunTable, offset=(5, 4), times=2)
        assert app.table.highlighted == entry(3)
        assert app.told[-1] == "opened"
        await pilot.click(RunTable, offset=(5, 0))
        await pilot.click(RunTable, offset=(5, 15))
        assert app.table.highlighted == entry(3)


async def test_the_list_survives_every_size():
    app = Stage()
    async with app.run_test() as pilot:
        app.table.show([entry(number) for number in range(50)], ())
        app.table.move(40)
        for size in [(20, 5), (300, 80), (1, 1), (40, 12), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "▸" in "".join(on_screen(app))
