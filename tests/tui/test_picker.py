"""Lists of presets: what is highlighted is chosen, and what is wrong is shown."""

from __future__ import annotations

import pytest
from apps import make_app
from launch_pad import draft, own_folders, picker, preset, press, settled, text, until

from cifar_experiments.presets import listing
from cifar_experiments.presets.draft import Draft
from cifar_tui.screens.runs import RunsScreen
from cifar_tui.settings import Layout
from cifar_tui.widgets.rows import Rows


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("home",), 0),
        (("g", "j"), 1),
        (("g", "down", "down", "k"), 1),
        (("end",), -1),
        (("G", "up"), -2),
        (("home", "pagedown", "pageup"), 0),
    ],
)
async def test_the_cursor_moves_by_arrows_letters_and_pages(tmp_path, keys, place):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, *keys)
        assert draft(app).experiment == listing("experiments")[place].name


async def test_a_click_chooses(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.click(picker(app, "optimizers").query_one(Rows), offset=(4, 1))
        await settled(pilot)
        assert draft(app).optimizer == "adamw"


async def test_the_experiments_own_preset_takes_an_override_back(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "tab", "j")
        assert draft(app) == Draft("quickstart", model="lenet-notes-bn")
        assert "not lenet-notes" in text(app)
        await press(pilot, "k")
        assert draft(app) == Draft("quickstart")
        assert "not lenet-notes" not in text(app)


async def test_every_kind_of_preset_can_be_chosen(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "l", "end", "right", "home", "l", "home")
        assert draft(app) == Draft(
            "quickstart", listing("models")[-1].name, listing("augments")[0].name, listing("optimizers")[0].name
        )
        await press(pilot, "h", "left", "shift+tab")
        assert picker(app, "experiments").has_focus_within


async def test_an_experiment_given_by_its_path_is_listed(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('model = "resnet18"\n')
    app = make_app(tmp_path, draft=Draft(str(path)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        assert picker(app, "experiments").entry.value == str(path)
        assert picker(app, "optimizers").entry.name == "(its own)"


async def test_names_and_descriptions_steer_nothing(tmp_path):
    preset("experiments", "a\x1b[31m[bold]x", "")
    preset("experiments", "b", 'description = "\\u001b[31m[bold]red[/]"\n')
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "home")
        assert r"\x1b[31m[bold]x" in text(app)
        while draft(app).experiment != "b":
            await press(pilot, "down")
        assert r"b: \x1b[31m[bold]red[/] (yours)" in text(app)
        assert "\x1b" not in text(app)


async def test_a_preset_that_comes_later_is_found_when_the_screen_is_looked_at_again(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        preset("experiments", "later", "")
        await pilot.press("escape")
        await until(pilot, lambda: "later" in text(app))
        assert draft(app) == Draft("quickstart")


async def test_typing_filters_and_chooses_nothing_until_the_filter_is_left(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"LENET 10")
        assert draft(app) == Draft("quickstart")
        rows = picker(app, "experiments").query_one(Rows)
        assert "notes-lenet-10ep" in text(app)
        assert "notes-conv3-bn" not in text(app)
        await press(pilot, "enter")
        assert draft(app) == Draft("notes-lenet-10ep")
        assert rows.has_focus
        await press(pilot, "escape")
        assert "notes-conv3-bn" in text(app)
        assert draft(app) == Draft("notes-lenet-10ep")
        await press(pilot, "slash", *"zzz", "escape")
        assert "notes-conv3-bn" in text(app)


async def test_a_filter_that_leaves_nothing_says_so(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "tab", "slash", *"zzz")
        assert "no preset matches" in text(app)
        await press(pilot, "enter", "down", "end", "pageup")
        assert draft(app) == Draft("quickstart")


async def test_the_cursor_is_seen_among_a_terminals_own_colours(tmp_path):
    app = make_app(tmp_path, layout=Layout(theme="ansi"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        rows = app.focused
        at = rows.cursor - rows.scroll_offset.y
        assert all(segment.style.reverse for segment in rows.render_line(at))
        assert not any(segment.style.reverse for segment in rows.render_line(at - 1))
