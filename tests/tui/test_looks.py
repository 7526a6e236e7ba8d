"""What all screens share of looks: without colours, in ASCII, the help and the command palette."""

from __future__ import annotations

import pytest
from apps import make_app
from launch_pad import own_folders, settled, text, until

from cifar_tui.screens.help import Help
from cifar_tui.settings import Settings


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)


def colours(app):
    filters = app.get_line_filters()
    found = set()
    for strip in app.screen._compositor.render_strips():
        segments = list(strip)
        for each in filters:
            segments = each.apply(segments, app.screen.background_colors[1])
        found |= {
            colour for segment in segments if segment.style for colour in (segment.style.color, segment.style.bgcolor)
        }
    return {colour for colour in found if colour is not None and not colour.is_default}


@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
async def test_no_color_leaves_the_terminal_its_own_colours(tmp_path, monkeypatch, theme):
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app(tmp_path, settings=Settings(theme=theme))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert colours(app) == set()


async def test_with_colours_there_are_some(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert colours(app)


async def test_ascii_is_all_there_is_where_it_is_asked_for(tmp_path):
    app = make_app(tmp_path, settings=Settings(ascii=True))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert text(app).isascii()
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        await pilot.pause()
        assert text(app).isascii()


async def test_a_linux_console_is_drawn_in_ascii(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "linux")
    assert make_app(tmp_path).ascii


async def test_help_lists_each_key_once_and_those_of_the_footer_first(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        rows = app.screen._rows
        words = [each for _, each in rows]
        assert len(set(words)) == len(words)
        assert ("? f1", "help") in rows
        assert words.index("start") < words.index("up")
        assert "copy selected text" not in words
        await pilot.pause()
        assert all(each in text(app) for each in words)


async def test_the_palette_offers_what_there_is_to_do_once(tmp_path):
    app = make_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        titles = [each.title for each in app.get_system_commands(app.screen)]
        assert len(set(titles)) == len(titles)
        assert {"Start", "Runs", "Help", "Quit", "Colours: ansi"} <= {*titles}
        assert not {"Up", "A page down", "Copy selected text"} & {*titles}


async def test_two_things_on_one_key_are_told(tmp_path):
    app = make_app(tmp_path, settings=Settings(keys={"launch.runs": "b,g", "launch.nothing": "z"}))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app._notifications)
        told = [each.message for each in app._notifications]
        assert told == [
            "keys: there is no launch.nothing",
            "keys: b is both launch.detached and launch.runs, of which only one is reached by it",
        ]
