"""The chart on a screen shows its plot, and repaints only what changed."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import App
from textual.containers import Vertical

from cifar_tui.widgets.chart import Chart
from cifar_tui.widgets.plot import Line, Mark, Plot, draw
from cifar_tui.widgets.shapes import LOOKS


def plot(*values, style="smooth", **changes):
    points = [(x, value, value, value) for x, value in enumerate(values)]
    return Plot(
        **{"lines": (Line("loss", points, style),), "marks": (), "x_range": (0, 10), "y_range": (0, 9), **changes}
    )


class Counted(Chart):
    """A chart that remembers which of its rows were asked for."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = []

    def render_line(self, y):
        self.asked.append(y)
        return super().render_line(y)


class Stage(App):
    """One chart, and something else that can have the focus."""

    CSS = "Counted { width: 40; height: 12; }"

    def __init__(self, **options):
        super().__init__()
        self.chart = Counted(**options)

    def compose(self):
        with Vertical():
            yield self.chart
            yield Chart(id="other")


def texts(plot, size, **options):
    return ["".join(text for text, _ in row) for row in draw(plot, *size, **options)]


def on_screen(app):
    """The pieces of the chart's rows, with the styles that go to the terminal."""
    strips = app.screen._compositor.render_strips()
    chart = app.chart
    return [list(strip.crop(0, chart.size.width)) for strip in strips[: chart.size.height]]


def read(app):
    return ["".join(segment.text for segment in row) for row in on_screen(app)]


def colours(app, text):
    """The foreground colours in which a text is on the screen."""
    return {segment.style.color for row in on_screen(app) for segment in row if text in segment.text}


async def test_a_chart_shows_its_plot():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        assert read(app) == texts(plot(1, 5, 3), (40, 12))


async def test_a_plot_that_came_before_the_screen_is_shown():
    app = Stage()
    app.chart.show(plot(1, 5, 3))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert read(app) == texts(plot(1, 5, 3), (40, 12))


async def test_before_the_first_plot_there_is_a_sentence():
    app = Stage()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert "There are no values to show yet." in "".join(read(app))


async def test_only_the_rows_that_changed_are_repainted():
    before, after = plot(1, 5, 3, 3, 3), plot(1, 5, 3, 3, 8)
    rows = zip(texts(before, (40, 12)), texts(after, (40, 12)), strict=True)
    changed = [y for y, (old, new) in enumerate(rows) if old != new]
    assert 0 < len(changed) < 10
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(before)
        await pilot.pause()
        app.chart.asked.clear()
        app.chart.show(after)
        await pilot.pause()
        assert sorted(app.chart.asked) == changed
        assert read(app) == texts(after, (40, 12))


async def test_the_same_picture_is_not_repainted():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        app.chart.asked.clear()
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        assert app.chart.asked == []


async def test_a_row_that_is_asked_for_again_is_not_painted_again():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        assert app.chart.render_line(3) is app.chart.render_line(3)


async def test_a_change_of_colour_alone_is_repainted():
    solid, dotted = (Line("", [(0, 4, 4, 4), (9, 4, 4, 4)], style) for style in ("smooth", "other7"))
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(lines=(solid, dotted)))
        await pilot.pause()
        text, (before,) = read(app), colours(app, "⠤⠤")
        app.chart.show(plot(lines=(dotted, solid)))
        await pilot.pause()
        assert read(app) == text
        assert colours(app, "⠤⠤").isdisjoint({before})


async def test_a_chart_follows_the_size_of_its_terminal():
    app = Stage()
    app.chart.styles.width = app.chart.styles.height = "1fr"
    async with app.run_test(size=(80, 30)) as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        for width, height in [(60, 20), (20, 8), (2, 2), (100, 40), (100, 30)]:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert app.chart.size == (width, height // 2)
            assert read(app) == texts(plot(1, 5, 3), app.chart.size)


async def test_a_plot_that_comes_while_the_size_changes_is_shown():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        app.chart.styles.height = 6
        app.chart.show(plot(9, 1, 9))
        await pilot.pause()
        assert read(app) == texts(plot(9, 1, 9), (40, 6))


async def test_a_plot_that_came_while_the_chart_was_hidden_is_shown_later():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        app.chart.display = False
        await pilot.pause()
        app.chart.show(plot(9, 1, 9))
        await pilot.pause()
        app.chart.display = True
        await pilot.pause()
        assert read(app) == texts(plot(9, 1, 9), (40, 12))


async def test_a_chart_can_have_the_focus_and_takes_no_key():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.press("tab")
        first = app.focused
        await pilot.press("tab")
        assert {first, app.focused} == set(app.query(Chart))
        assert Chart.BINDINGS == []


@pytest.mark.parametrize("theme", ["textual-dark", "ansi-dark"])
async def test_the_focus_is_seen_even_without_colours(theme):
    app = Stage()
    async with app.run_test() as pilot:
        app.theme = theme
        app.chart.show(plot(1, 5, 3))
        app.query_one("#other").focus()
        await pilot.pause()
        assert not any(segment.style.bold for row in on_screen(app) for segment in row if "┤" in segment.text)
        app.chart.focus()
        await pilot.pause()
        assert all(segment.style.bold for row in on_screen(app) for segment in row if "┤" in segment.text)


async def test_colours_are_those_of_the_theme():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(9, 9, style="other8"))
        app.theme = "textual-dark"
        await pilot.pause()
        (dark,) = colours(app, "⠁")
        assert dark.triplet.hex == "#ffffff"
        app.theme = "textual-light"
        await pilot.pause()
        (light,) = colours(app, "⠁")
        assert light.triplet.hex == "#000000"


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
async def test_every_style_has_its_colour(theme):
    app = Stage()
    async with app.run_test() as pilot:
        app.theme = theme
        await pilot.pause()
        for style, look in LOOKS.items():
            colour = app.chart.get_component_rich_style(f"chart--{style}").color
            wanted = look.dark if theme == "textual-dark" else look.light
            assert colour.triplet.hex == wanted.lower() or wanted.endswith("45%")


async def test_a_band_is_fainter_than_its_line():
    app = Stage()
    async with app.run_test() as pilot:
        await pilot.pause()
        faint, clear = (app.chart.get_component_rich_style(f"chart--{style}").color for style in ("raw", "smooth"))
        assert sum(faint.triplet) < sum(clear.triplet) * 0.7


async def test_a_terminal_with_its_own_colours_gets_those():
    app = Stage()
    async with app.run_test() as pilot:
        app.theme = "ansi-dark"
        app.chart.show(plot(9, 9))
        await pilot.pause()
        (colour,) = colours(app, "⠉⠉")
        assert colour.number == 6
        assert app.chart.get_component_rich_style("chart--raw").dim


@pytest.mark.parametrize("theme", ["textual-dark", "ansi-dark"])
async def test_without_colours_the_lines_still_differ(theme, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = Stage()
    seen = set()
    async with app.run_test() as pilot:
        app.theme = theme
        for style in LOOKS:
            app.chart.show(plot(1, 5, 3, style=style))
            await pilot.pause()
            assert read(app) == texts(plot(1, 5, 3, style=style), (40, 12))
            seen.add(tuple(read(app)))
            for row in on_screen(app):
                for segment in row:
                    colour = segment.style.color
                    assert colour is None or colour.is_default or len(set(colour.triplet)) == 1
    assert len(seen) == len(LOOKS)


async def test_a_chart_without_unicode_has_none():
    app = Stage(ascii=True)
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3, title="größe"))
        await pilot.pause()
        assert read(app) == texts(plot(1, 5, 3, title="größe"), (40, 12), ascii=True)
        assert all(row.isascii() for row in read(app))


async def test_every_row_is_as_wide_as_the_chart():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3, title="深" * 30, marks=(Mark(1, 5, "宽", "宽\x1b"),)))
        await pilot.pause()
        for y in range(12):
            strip = app.chart.render_line(y)
            assert strip.cell_length == 40 == sum(cell_len(segment.text) for segment in strip)


async def test_nothing_happens_while_nothing_changes():
    app = Stage()
    async with app.run_test() as pilot:
        app.chart.show(plot(1, 5, 3))
        await pilot.pause()
        app.chart.asked.clear()
        await pilot.pause(0.3)
        assert app.chart.asked == []
        assert app.chart.auto_refresh is None
