"""A chart as characters: how lines look, what gives way where there is little room, and that nothing breaks it."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cifar_tui.widgets.plot import Line, Mark, Plot, draw
from cifar_tui.widgets.shapes import KEYS, LOOKS

UP = range(11)
DOWN = range(10, -1, -1)


def line(values, style="smooth", name="", first=0):
    return Line(name, [(x, value, value, value) for x, value in enumerate(values, first)], style)


def plot(*lines, **changes):
    return Plot(**{"lines": lines, "marks": (), "x_range": (0, 10), "y_range": (0, 10), **changes})


def drawn(shown, width=20, height=6, **options):
    """The chart as a block of text, after a line break so that it can be compared with one."""
    rows = draw(shown, width, height, **options)
    return "\n" + "".join("".join(text for text, _ in row).rstrip() + "\n" for row in rows)


def style_of(rows, glyph):
    """The styles of the pieces that hold a character."""
    return {style for row in rows for text, style in row if glyph in text}


def test_a_rising_line():
    assert (
        drawn(plot(line(UP, name="loss")))
        == """
⠒⠒⠒ loss 10
10┤             ⡠⠔⠒⠉
  │        ⢀⡠⠤⠒⠉
  │    ⣀⠤⠒⠊⠁
 0┤⣀⠤⠒⠉
   0              10
"""
    )


def test_a_falling_line():
    assert (
        drawn(plot(line(DOWN)))
        == """
10┤⠑⠢⣀
  │   ⠉⠒⢄⡀
  │      ⠈⠒⠤⣀⡀
  │          ⠈⠑⠤⡀
 0┤             ⠈⠑⠢⢄
   0              10
"""
    )


def test_a_step():
    assert (
        drawn(plot(line([2] * 5 + [8] * 6)))
        == """
10┤
  │       ⢠⠋⠉⠉⠉⠉⠉⠉⠉⠉
  │       ⡜
  │⣀⣀⣀⣀⣀⣀⣠⠃
 0┤
   0              10
"""
    )


@pytest.mark.parametrize(("style", "glyph"), [("smooth", "•"), ("validation", "●"), ("other4", "◊")])
def test_a_single_point_is_seen(style, glyph):
    block = """
10┤
  │
  │        •
  │
 0┤
   0              10
"""
    assert drawn(plot(line([5], style, first=5))) == block.replace("•", glyph)


def test_a_single_point_of_a_band_is_seen():
    for row in range(21):
        shown = plot(line([row / 2], "raw", first=5))
        assert drawn(shown) != drawn(plot(line([-100], "raw", first=5))), row


def test_a_gap_is_left_where_values_are_missing():
    assert (
        drawn(plot(line([5, 5, 5, None, math.nan, math.inf, 5, 5, 5, 5, 5])))
        == """
10┤
  │
  │⠤⠤⠤⠤      ⠤⠤⠤⠤⠤⠤⠤
  │
 0┤
   0              10
"""
    )


def test_two_lines_that_cross_keep_their_shapes():
    assert (
        drawn(plot(line(UP, name="train"), line(DOWN, "validation", "val")), 30, 8)
        == """
⠒⠒⠒ train 10  ⠒●⠒ val 0
10┤⠉ ⠤⣀                  ⢀⡠⠤⠒⠉
  │     ●⠢ ⣀         ⣀⡠⠔⠊⠁
  │         ⠉ ⠤⣀⢀⡠⠔⠒⠉
  │         ⣀⠤⠔⠊●⠒⠢ ⣀
  │    ⣀⠤⠔⠊⠉         ⠉ ⠢●
 0┤⣀⠤⠒⠉                   ⠑⠒ ●
   0                        10
"""
    )


def test_where_lines_share_a_cell_the_dots_add_up_and_the_later_one_wins_the_colour():
    low, high = line([0, 0]), line([10, 10], "other7")
    assert draw(plot(low, high, x_range=(0, 1)), 2, 1) == [[("⣁⣁", "other7")]]
    assert draw(plot(high, low, x_range=(0, 1)), 2, 1) == [[("⣁⣁", "smooth")]]


def test_a_band_is_filled_faintly_and_gives_way_to_the_line_over_it():
    band = Line("", [(0, 2, 8, 5), (5, 4, 6, 5), (10, 0, 10, 5)], "raw")
    block = """
10┤             ⢀⢄⢔⢕
  │⢕⢕⢔⢄⢄⢄⢀  ⢀⢄⢔⢕⢕⢕⢕⢕
  │⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤
  │⢕⠕⠕⠕⠑⠁⠁⠁ ⠁⠑⠕⢕⢕⢕⢕⢕
 0┤             ⠁⠑⠕⢕
   0              10
"""
    assert drawn(plot(band, line([5] * 11))) == block
    assert drawn(plot(line([5] * 11), band)) == block


def test_the_decades_of_a_log_scale_are_equally_high():
    decades = line([10.0 ** (-k / 2) for k in range(11)], name="loss")
    assert (
        drawn(plot(decades, log=True, y_range=None), 24, 8)
        == """
⠒⠒⠒ loss 1e-5
    │⠑⠢⢄
    │   ⠑⠤⣀
0.01┤      ⠉⠒⢄
    │         ⠑⠢⢄⡀
    │            ⠈⠑⠢⢄
1e-5┤                ⠑⠤⣀
     0                10
"""
    )


def test_a_log_scale_has_gaps_where_values_are_not_above_0():
    assert (
        drawn(plot(line([10, 10, 10, 0, -1, 10, 10, 100, 100, 100, 100]), log=True, y_range=(1, 100)))
        == """
100┤          ⢠⠋⠉⠉⠉⠉
   │          ⡜
   │⠤⠤⠤⠄    ⠤⠴⠁
   │
  1┤
    0             10
"""
    )


def test_a_first_spike_is_cut_off_instead_of_flattening_the_rest():
    values = [1000, 3, 3] + [3 - k / 10 for k in range(20)]
    shown = Plot((Line("", [(k, v, v, v) for k, v in enumerate(values)], "smooth"),), (), (0, 22))
    assert (
        drawn(shown)
        == """
3┤ ⠉⠉⠢⢄⡀
 │     ⠈⠒⢄⡀
 │        ⠈⠑⠤⢄⡀
 │            ⠈⠒⠤⡀
1┤               ⠈⠑⠤
  0             20
"""
    )


def test_validation_is_never_cut_off():
    values = [1000] + [1, 2] * 15
    assert "1 k┤" in drawn(plot(line(values, "validation"), x_range=(0, 30), y_range=None))
    assert "1 k┤" not in drawn(plot(line(values), x_range=(0, 30), y_range=None))


def test_the_newest_value_is_never_cut_off():
    assert "1 k┤" in drawn(plot(line([1, 2] * 15 + [1000]), x_range=(0, 30), y_range=None))


def test_values_out_of_sight_do_not_stretch_the_range():
    assert "20┤" in drawn(plot(line([10, 20, 9000]), x_range=(0, 1), y_range=None))


def test_a_line_through_the_chart_is_drawn_though_its_points_are_outside():
    outside = Line("", [(-10, 5, 5, 5), (20, 5, 5, 5)], "smooth")
    assert drawn(plot(outside), 10, 1) == "\n⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤\n"
    steep = Line("", [(4, -1e9, -1e9, -1e9), (10, 1e9, 1e9, 1e9)], "smooth")
    assert drawn(plot(steep), 9, 2) == "\n      ⡇\n      ⡇\n"
    past = Line("", [(0, 20, 20, 20), (10, 30, 30, 30)], "smooth")
    assert drawn(plot(past), 10, 1) == "\n\n"


def test_a_constant_line_is_in_the_middle():
    assert (
        drawn(plot(line([2.5] * 11), y_range=None))
        == """
   │
2.6┤
   │⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤
2.4┤
   │
    0             10
"""
    )


def test_everything_is_there_where_there_is_room():
    shown = plot(line(UP, name="acc"), marks=(Mark(5, 5, "★", "best"),), title="Top-1", x_label="epoch")
    assert (
        drawn(shown, 40, 12)
        == """
Top-1  ⠒⠒⠒ acc 10  ★ best
10┤                                ⢀⣀⠤⠒⠉
  │                             ⡠⠔⠊⠁
  │                         ⣀⠤⠒⠉
  │                    ⢀⡠⠤⠒⠉
 5┤                ⢀⡠★⠊⠁
  │            ⣀⠤⠒⠊⠁
  │        ⣀⠤⠒⠉
  │    ⣀⠤⠒⠉
 0┤⣀⠤⠒⠉
  └┬─────────────────┬─────────────────┬
   0                 5         epoch  10
"""
    )


FULL = plot(
    line(UP, name="acc"),
    line(DOWN, "validation", "val"),
    marks=(Mark(5, 5, "★", "best"),),
    title="Top-1",
    x_label="epoch",
)


def test_without_unicode_there_is_nothing_but_ascii():
    assert (
        drawn(FULL, 40, 12, ascii=True)
        == """
Top-1  *** acc 10  oo  val 0  * best
10+oo                                ***
  |   oo                          ***
  |      oo oo o           *******
  |             o o    ****
 5+                o**o
  |             ***     oo
  |      *******           oo oo o
  |  ****                         o o
 0+**                                o o
  ++-----------------+-----------------+
   0                 5         epoch  10
"""
    )


def test_a_band_without_unicode_is_drawn_in_half_cells():
    band = Line("", [(0, 3, 7, 5), (10, 0, 10, 5)], "raw")
    assert (
        drawn(plot(band), 20, 5, ascii=True)
        == """
10+         .....:::
  |...::::::::::::::
  |:::::::::::::::::
  |'''::::::::::::::
 0+        '''''':::
"""
    )


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (20, 4, "\n⠒⠒⠒ acc  ⠒●⠒ val  +1\n10┤⠉ ⠢⠤ ●     ⣀⡠⠤⠒⠒⠉\n  │      ⣉⡠★⣊⠉\n 0┤⣀⠤⠔⠒⠊⠉     ●⠑ ⠤⠤●\n"),
        (20, 3, "\n10┤⠉ ⠢⠤ ●     ⣀⡠⠤⠒⠒⠉\n  │      ⣉⡠★⣊⠉\n 0┤⣀⠤⠔⠒⠊⠉     ●⠑ ⠤⠤●\n"),
        (15, 3, "\n⠉ ⠢⠤●⡀   ⢀⣀⠤⠔⠒⠉\n     ⢈⡱★⣊⡁\n⣀⠤⠔⠒⠉⠁   ⠈●⠒⠢ ●\n"),
        (10, 2, "\n⠑ ⠢⢄●⢀⠤⠒⠒⠉\n⡠⠤⠔⠊⠉★⠒ ⠤●\n"),
        (3, 2, "\n⠃⣀⠎\n⡤★●\n"),
        (1, 1, "\n★\n"),
    ],
)
def test_what_surrounds_the_lines_gives_way_to_them(width, height, expected):
    assert drawn(FULL, width, height) == expected


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 3), (3, 0)])
def test_no_room_is_no_error(width, height):
    assert draw(FULL, width, height) == [[]] * height


def test_the_legend_has_as_many_rows_as_the_height_allows():
    runs = [line(UP, f"other{number}", f"run-{number}") for number in range(1, 9)]
    assert drawn(plot(*runs), 60, 30).splitlines()[1:3] == [
        "⠒○⠒ run-1 10  ⠒▲⠒ run-2 10  ⠂□⠂ run-3 10  ⠂◊⠂ run-4 10",
        "⠒▼⠒ run-5 10  ⠒ ⠒ run-6 10  ⠂⠂⠂ run-7 10  ⠂ ⠂ run-8 10",
    ]
    assert drawn(plot(*runs), 60, 10).splitlines()[1] == "⠒○⠒ run-1  ⠒▲⠒ run-2  ⠂□⠂ run-3  ⠂◊⠂ run-4  ⠒▼⠒ run-5  +3"


def test_a_title_without_room_gives_way_to_the_legend():
    shown = plot(line(UP, name="train"), title="Loss of the training")
    assert drawn(shown, 40, 6).splitlines()[1] == "Loss of the training  ⠒⠒⠒ train 10"
    assert drawn(shown, 20, 6).splitlines()[1] == "⠒⠒⠒ train 10"


def test_marks_of_one_kind_are_in_the_legend_once():
    marks = (Mark(2, 2, "★", "best"), Mark(4, 4, "★", "best"), Mark(6, 6, "x", ""), Mark(99, 99, "x", "far"))
    assert drawn(plot(line(UP), marks=marks), 40, 6).splitlines()[1] == "★ best  x far"


def test_a_mark_is_drawn_over_its_line_where_it_is_in_sight():
    rows = draw(plot(line(UP), marks=(Mark(5, 5, "★", ""), Mark(99, 5, "@", ""), Mark(5, math.nan, "@", ""))), 20, 6)
    assert style_of(rows, "★") == {"mark"}
    assert style_of(rows, "@") == set()


@pytest.mark.parametrize("symbol", ["", "宽", "\x1b", "ab", "\u0301", "★★"])
def test_a_mark_without_a_fitting_character_is_a_star(symbol):
    assert style_of(draw(plot(line(UP), marks=(Mark(5, 5, symbol, ""),)), 20, 6), "*") == {"mark"}


def test_in_place_of_an_empty_chart_there_is_a_sentence():
    assert (
        drawn(Plot((line([None, math.nan], name="loss"),), (), (0, 1), title="Loss"), 40, 5)
        == """
Loss

    There are no values to show yet.


"""
    )
    assert drawn(Plot((), (), (0, 1)), 8, 3) == "\n There\n are no\n values\n"


def test_a_log_scale_says_why_it_is_empty():
    assert "No value is above 0" in drawn(plot(line([0, -1]), log=True), 60, 3)


def test_no_two_styles_look_alike_without_colours():
    for ascii_only in (False, True):
        shown = [drawn(plot(line(UP, style, "n")), 40, 10, ascii=ascii_only) for style in LOOKS]
        assert len(set(shown)) == len(LOOKS)
        assert len({block.splitlines()[1] for block in shown}) == len(LOOKS)


def test_foreign_text_is_harmless():
    evil = "a\x1b[31m\nb\u202ec\u200dd\udc80"
    shown = plot(line(UP, name=evil), marks=(Mark(1, 1, "★", evil),), title=evil, x_label=evil)
    text = drawn(shown, 200, 12)
    assert r"a\x1b[31m\nb\u202ec\u200dd\udc80" in text
    assert all(character.isprintable() for character in text.replace("\n", ""))


def test_wide_and_combining_characters_do_not_shift_anything():
    shown = plot(line(UP, name="宽" * 40), title="e\u0301a\u0316" + "深" * 3, marks=(Mark(1, 1, "★", "\u0301" * 9),))
    rows = draw(shown, 80, 12)
    assert {sum(cell_len(text) for text, _ in row) for row in rows} == {80}
    assert "éa深深深" in rows[0][0][0]
    assert "…" in "".join(text for text, _ in rows[0])
    assert drawn(shown, 80, 12, ascii=True).isascii()


numbers = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True) | st.floats(-10, 10) | st.integers()
points = st.lists(st.tuples(numbers, numbers | st.none(), numbers | st.none(), numbers | st.none()), max_size=30)
any_lines = st.builds(Line, st.text(max_size=30), points, st.sampled_from(list(LOOKS)))
any_marks = st.builds(Mark, numbers, numbers, st.text(max_size=2), st.text(max_size=10))
plots = st.builds(
    Plot,
    st.lists(any_lines, max_size=4).map(tuple),
    st.lists(any_marks, max_size=2).map(tuple),
    st.tuples(numbers, numbers),
    st.none() | st.tuples(numbers, numbers),
    st.booleans(),
    st.text(max_size=20),
    st.text(max_size=20),
)
sizes = st.tuples(st.integers(1, 60), st.integers(1, 25)) | st.sampled_from([(20, 4), (120, 20), (300, 80), (1, 80)])


@given(plots, sizes)
def test_any_chart_is_exactly_as_large_as_asked_for(shown, size):
    width, height = size
    rows = draw(shown, width, height)
    assert len(rows) == height
    assert {sum(cell_len(text) for text, _ in row) for row in rows} == {width}
    assert all(text.isprintable() and text for row in rows for text, _ in row)
    assert {style for row in rows for _, style in row} <= {*LOOKS, *KEYS, ""}
    lines = "".join(text for row in rows for text, style in row if style in LOOKS)
    assert all("\u2801" <= glyph <= "\u28ff" or glyph in " ●■○▲□◊▼•" for glyph in lines)


@given(plots, sizes)
def test_any_chart_without_unicode_is_exactly_as_large_and_ascii(shown, size):
    width, height = size
    rows = draw(shown, width, height, ascii=True)
    assert [len("".join(text for text, _ in row)) for row in rows] == [width] * height
    assert all(text.isascii() and text.isprintable() for row in rows for text, _ in row)
    assert set("".join(text for row in rows for text, style in row if style in LOOKS)) <= set(" .:'*o+x")


def test_drawing_needs_no_screen_library():
    code = "import sys, cifar_tui.widgets.plot; print('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
