"""An axis has few round figures, each of which can be read and stands where it belongs."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cifar_tui.widgets.axes import Scale, automatic_range, bottom_axis, drawable, figure, left_axis, ticks

any_floats = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)
scales = st.builds(Scale.over, any_floats, any_floats, st.booleans())
# As they occur: a loss, an accuracy, steps, seconds.
usual = st.floats(-1e9, 1e9)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def read(label):
    digits, _, unit = label.partition(" ")
    return float(digits) * UNITS.get(unit, 1)


def labels(low, high, most, log=False):
    return [label for _, label in ticks(Scale.over(low, high, log), most)]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 3, ["0.0", "0.5", "1.0"]),
        (0.42, 2.31, 5, ["0.5", "1.0", "1.5", "2.0"]),
        (0, 25_000, 6, ["0", "5 k", "10 k", "15 k", "20 k", "25 k"]),
        (0, 3_000, 4, ["0", "1 k", "2 k", "3 k"]),
        (0, 2_000, 5, ["0", "500", "1.0 k", "1.5 k", "2.0 k"]),
        (0, 3_000_000, 4, ["0", "1 M", "2 M", "3 M"]),
        (0, 3e-5, 4, ["0", "1e-5", "2e-5", "3e-5"]),
        (0, 1e16, 3, ["0", "5e15", "1e16"]),
        (-5, 5, 3, ["-5", "0", "5"]),
        (1_000_000, 1_000_008, 3, ["1000000", "1000005"]),
        (0.999, 1.001, 3, ["0.999", "1.000", "1.001"]),
    ],
)
def test_ticks_are_round_and_their_labels_short(low, high, most, expected):
    assert labels(low, high, most) == expected


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.001, 10, 5, ["0.001", "0.01", "0.1", "1", "10"]),
        (0.001, 10, 3, ["0.001", "0.1", "10"]),
        (1e-6, 1e6, 5, ["1e-6", "0.001", "1", "1 k", "1 M"]),
        (0.2, 5, 5, ["0.2", "0.5", "1", "2", "5"]),
        (0.3, 0.4, 3, ["0.30", "0.35", "0.40"]),
    ],
)
def test_a_log_axis_has_decades_and_more_where_there_is_room(low, high, most, expected):
    assert labels(low, high, most, log=True) == expected


def test_two_ticks_are_found_where_only_one_would_be_round():
    assert labels(-5, 5, 2) == ["-5", "5"]


@given(scales, st.integers(-1, 40))
def test_ticks_are_within_the_range_rising_no_more_than_asked_for_and_labelled_differently(scale, most):
    found = ticks(scale, most)
    assert len(found) <= max(most, 0)
    assert len(found) >= 2 or most < 2
    assert all(scale.low <= value <= scale.high for value, _ in found)
    assert all(one < other for (one, _), (other, _) in itertools.pairwise(found))
    assert len({label for _, label in found}) == len(found)


@given(scales, st.integers(2, 40))
def test_a_label_says_the_value(scale, most):
    for value, label in ticks(scale, most):
        assert read(label) == pytest.approx(value, rel=1e-6, abs=(scale.high - scale.low) * 1e-6)


@given(usual)
def test_a_figure_has_four_digits(value):
    text = figure(value)
    assert read(text) == pytest.approx(value, rel=5.01e-4)
    assert len(text) <= len("-0.00012345")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.28412, "1.284"), (54.3, "54.3"), (1912, "1912"), (12_480, "12.48 k"), (9_999.7, "10 k"), (0.001, "0.001"),
     (1e-5, "1e-5"), (0, "0"), (-3e6, "-3 M"), (1e20, "1e20")],
)  # fmt: skip
def test_figures_read_like_those_on_the_axes(value, expected):
    assert figure(value) == expected


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf, 1e300, 10**400])
def test_what_is_no_number_has_no_place(nothing):
    assert not drawable(nothing)


def test_only_a_log_scale_has_no_place_for_zero_and_less():
    assert [drawable(value) for value in (0.0, -1.0)] == [True, True]
    assert [drawable(value, log=True) for value in (0.0, -1.0)] == [False, False]


@given(scales)
def test_a_scale_reaches_from_0_to_1_whatever_it_is_made_of(scale):
    assert scale.low < scale.high
    assert scale.places([scale.low, scale.high]) == pytest.approx([0, 1])


@given(scales, st.lists(any_floats))
def test_every_drawable_value_has_a_finite_place(scale, values):
    places = scale.places([value for value in values if drawable(value, scale.log)])
    assert all(math.isfinite(place) for place in places)


@pytest.mark.parametrize(
    ("ends", "log", "expected"),
    [
        ((5, 5), False, (4.5, 5.5)),
        ((0, 0), False, (-1, 1)),
        ((2, 2), True, (1, 4)),
        ((0, 5), True, (0.005, 5)),
        ((3, 1), False, (1, 3)),
        ((math.nan, math.nan), False, (0, 1)),
        ((-1, 0), True, (1, 10)),
    ],
)
def test_a_range_without_extent_gets_one(ends, log, expected):
    scale = Scale.over(*ends, log)
    assert (scale.low, scale.high) == pytest.approx(expected)


def whole(*values):
    return values, values, False


def may_be_cut(*values):
    return values, values, True


def test_an_automatic_range_ends_at_round_figures():
    assert automatic_range([whole(0.42, 2.31)], log=False) == Scale(0.4, 2.4)
    assert automatic_range([whole(0.42, 23.1)], log=True) == Scale(0.2, 50, log=True)


def test_a_first_spike_does_not_flatten_the_rest():
    assert automatic_range([may_be_cut(50.0, *[1.0, 2.0] * 15)], log=False) == Scale(1, 2)
    assert automatic_range([may_be_cut(1e6, *[1.0, 2.0] * 15)], log=True) == Scale(1, 2, log=True)
    assert automatic_range([may_be_cut(-50.0, *[1.0, 2.0] * 15, 50.0)], log=False) == Scale(1, 2)


def test_a_mild_outlier_is_shown():
    assert automatic_range([may_be_cut(2.5, *[1.0, 2.0] * 15)], log=False).high >= 2.5


def test_more_outliers_than_one_in_a_hundred_are_shown():
    assert automatic_range([may_be_cut(50.0, 50.0, *[1.0, 2.0] * 15)], log=False).high >= 50


def test_of_few_values_none_is_an_outlier():
    assert automatic_range([may_be_cut(50.0, *[1.0, 2.0] * 5)], log=False).high >= 50


def test_one_series_keeps_in_sight_what_another_could_do_without():
    spiky = may_be_cut(50.0, *[1.0, 2.0] * 15)
    assert automatic_range([spiky, whole(40.0)], log=False).high >= 40


@given(st.lists(st.lists(usual, min_size=1, max_size=30), min_size=1, max_size=3))
def test_what_may_not_be_cut_is_in_the_automatic_range(series):
    scale = automatic_range([whole(*values) for values in series], log=False)
    size = max(abs(scale.low), abs(scale.high))
    assert all(scale.low - size * 1e-9 <= value <= scale.high + size * 1e-9 for values in series for value in values)


def test_a_left_axis_labels_the_rows_of_its_ticks():
    assert left_axis(Scale(0, 10), 5, 4, plain=False) == ["10┤", "  │", "  │", "  │", " 0┤"]
    assert left_axis(Scale(0, 10), 3, 1, plain=True) == ["10+", "  |", " 0+"]


def test_a_bottom_axis_labels_the_columns_of_its_ticks():
    assert bottom_axis(Scale(0, 20), 31, 2, "step", rows=2, plain=False) == [
        " └┬──────────────┬──────────────┬",
        "  0             10       step  20",
    ]
    assert bottom_axis(Scale(0, 20), 31, 2, "step", rows=2, plain=True) == [
        " ++--------------+--------------+",
        "  0             10       step  20",
    ]
    assert bottom_axis(Scale(0, 20), 31, 2, "step", rows=1, plain=True) == ["  0             10       step  20"]


def test_a_name_for_which_there_is_no_room_is_left_out():
    assert bottom_axis(Scale(0, 20), 21, 0, "images seen so far", rows=1, plain=False) == ["0                  20"]


@given(scales, st.integers(1, 300), st.integers(0, 8), names, st.booleans())
def test_a_bottom_axis_is_as_wide_as_asked_for(scale, columns, before, name, plain):
    assert [len(row) for row in bottom_axis(scale, columns, before, name, rows=2, plain=plain)] == [
        before + columns
    ] * 2


@given(scales, st.integers(3, 80), st.booleans())
def test_a_left_axis_is_even_and_has_at_least_two_labels_from_four_rows_on(scale, rows, plain):
    axis = left_axis(scale, rows, 1 if plain else 4, plain=plain)
    assert len(axis) == rows
    assert len({len(row) for row in axis}) == 1
    assert sum(row.endswith(("+", "┤")) for row in axis) >= (2 if rows >= 4 else 1)
