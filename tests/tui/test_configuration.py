"""The effective configuration: values are judged as they are typed, taken, and taken back."""

from __future__ import annotations

import pytest
from apps import make_app
from launch_pad import draft, go_to_key, own_folders, press, said, settled, text, until

from cifar_experiments.presets.draft import Draft
from cifar_tui.screens.dialogs import TextEntry
from cifar_tui.widgets.configuration import Configuration
from cifar_tui.widgets.rows import Rows
from cifar_tui.widgets.value_entry import ValueEntry


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)


async def test_a_value_is_judged_as_it_is_typed_and_taken_with_enter(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await go_to_key(pilot, "optimizer.lr")
        assert "Base learning rate" in text(app)
        await press(pilot, "enter", *"abc")
        assert "must be a number, not 'abc'" in text(app)
        await press(pilot, "enter")
        assert draft(app) == Draft("quickstart")
        await press(pilot, "ctrl+u", *"0.5")
        assert "must be a number" not in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: draft(app).edits == (("optimizer.lr", "0.5"),))
        await settled(pilot)
        assert "was 0.02, edited" in text(app)
        assert "● 1 not as saved" in text(app)
        assert app.background.wishes[-1][0].optimizer.lr == 0.5
        assert app.focused is app.screen.query_one(Configuration).query_one(Rows)


@pytest.mark.parametrize("key", ["u", "delete"])
async def test_an_edit_is_taken_back(tmp_path, key):
    app = make_app(tmp_path, draft=Draft("quickstart", edits=(("optimizer.lr", "0.5"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await go_to_key(pilot, "optimizer.lr")
        await press(pilot, key)
        assert draft(app) == Draft("quickstart")
        assert "not as saved" not in text(app)
        await press(pilot, key)
        assert "optimizer.lr was not edited" in said(app)


async def test_escape_leaves_a_value_as_it_was(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await go_to_key(pilot, "training.epochs")
        await press(pilot, "enter", *"77", "escape")
        assert draft(app) == Draft("quickstart")
        assert not app.screen.query_one(ValueEntry).display


async def test_another_pane_leaves_a_value_as_it_was(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "e", *"77", "tab")
        await until(pilot, lambda: not app.screen.query_one(ValueEntry).display)
        assert app.screen.query_one("#will-run").has_focus
        assert draft(app) == Draft("quickstart")


async def test_arrows_go_through_the_choices_of_a_value(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await go_to_key(pilot, "training.precision")
        await press(pilot, "enter", "down", "down", "down", "up")
        await pilot.press("enter")
        await until(pilot, lambda: draft(app).edits == (("training.precision", "fp16"),))


async def test_a_schedule_asks_for_what_it_needs(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await go_to_key(pilot, "schedule.name")
        await press(pilot, "enter", "ctrl+u", *"step")
        assert "schedule.every" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextEntry))
        await pilot.press("x", "enter")
        assert isinstance(app.screen, TextEntry)
        await pilot.press("backspace", "2", "enter")
        await until(pilot, lambda: len(draft(app).edits) == 2)
        await settled(pilot)
        assert app.background.wishes[-1][0].schedule.every == 2


async def test_the_configuration_is_filtered(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        rows = app.screen.query_one(Configuration).query_one(Rows)
        rows.focus()
        await press(pilot, "slash", *"optimizer", "down")
        assert [row.key for row in app.screen.query_one(Configuration)._visible][:2] == [
            "optimizer.lr",
            "optimizer.name",
        ]
        await press(pilot, "slash", *"zzz")
        assert "no key matches" in text(app)


async def test_only_visible_lines_of_the_configuration_are_drawn(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        rows = app.screen.query_one(Configuration).query_one(Rows)
        asked = []
        drawn = rows._draw
        rows._draw = lambda index, width: asked.append(index) or drawn(index, width)
        rows.focus()
        await pilot.pause()
        asked.clear()
        await press(pilot, "j")
        assert sorted(set(asked)) == [0, 1]
