"""A series keeps what a chart needs of any number of points, in memory that does not grow with them."""

from __future__ import annotations

import math
import random
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cifar_experiments.history import Column, Series, View, smoothed

# Small ones, so that few points fill them: blocks of one point, of two, and buckets that begin with two.
capacities = st.sampled_from([16, 32, 1024])
gaps = st.sampled_from([None, math.nan, math.inf, -math.inf])
# Whole numbers, so that sums are exact in whatever order they are made.
values = st.integers(-1000, 1000).map(float)
points = st.lists(values | gaps, max_size=400)
steps = st.integers(-10, 420)


@st.composite
def long_runs(draw):
    """Some thousand values, too many to be drawn one by one."""
    source = random.Random(draw(st.integers(0, 1000)))
    length, share = draw(st.integers(0, 5000)), draw(st.sampled_from([0.0, 0.01, 0.9]))
    return [None if source.random() < share else float(source.randrange(-1000, 1000)) for _ in range(length)]


any_points = points | long_runs()
unhurried = settings(max_examples=200, deadline=None)


def series_of(ys, capacity=4096, first=1):
    series = Series(capacity)
    for x, y in enumerate(ys, first):
        series.append(x, y)
    return series


def finite(ys):
    return [y for y in ys if y is not None and math.isfinite(y)]


def whole(series, columns=50):
    return series.view(*series.extent, columns)


def shown(series):
    """All that can be seen of a series."""
    views = [series.view(0, 5000, 7), series.view(0, len(series), 200), series.view(100, 200, 13)]
    return len(series), series.gaps, series.extent, series.newest, views


def stored(series):
    """Bytes of all that a series holds."""
    arrays = [getattr(series._buckets, name) for name in series._buckets.__slots__]
    return sum(map(sys.getsizeof, [series._xs, series._ys, *arrays]))


def test_a_series_without_points_shows_nothing():
    series = Series()
    assert (len(series), series.gaps, series.extent, series.newest) == (0, 0, None, None)
    view = series.view(0, 100, 10)
    assert view == View(0, 100, 10, ())
    assert view.range is None
    assert smoothed(view, 0.9) == []


def test_one_point_is_one_column_wherever_the_window_begins():
    series = series_of([2.5], first=7)
    assert (len(series), series.extent, series.newest) == (1, (7, 7), 2.5)
    assert series.view(7, 7, 10).columns == (Column(0, 7, 7, 2.5, 2.5, 2.5, 2.5),)
    assert series.view(0, 10, 10).columns == (Column(7, 7, 7, 2.5, 2.5, 2.5, 2.5),)
    assert series.view(0, 7, 10).columns == (Column(9, 7, 7, 2.5, 2.5, 2.5, 2.5),)


def test_a_column_tells_the_extremes_the_mean_and_the_last_of_its_points():
    series = series_of([4.0, 1.0, 2.0, None, 8.0, None])
    assert series.view(1, 7, 2).columns == (Column(0, 1, 3, 1.0, 4.0, 7 / 3, 2.0), Column(1, 4, 6, 8.0, 8.0, 8.0, 8.0))


@unhurried
@given(ys=points, first=steps, length=st.integers(0, 420), columns=st.integers(1, 60))
def test_points_kept_in_full_are_seen_exactly(ys, first, length, columns):
    series, last = series_of(ys), first + length
    expected = {}
    for x, y in enumerate(ys, 1):
        if first <= x <= last:
            place = sum(x >= first + length * (k + 1) / columns for k in range(columns - 1)) if length else 0
            expected.setdefault(place, []).append((x, y))
    wanted = []
    for place, inside in expected.items():
        if seen := finite(y for _, y in inside):
            ends = inside[0][0], inside[-1][0]
            wanted.append(Column(place, *ends, min(seen), max(seen), sum(seen) / len(seen), seen[-1]))
    assert series.view(first, last, columns).columns == tuple(wanted)


@unhurried
@given(ys=any_points, capacity=capacities, columns=st.integers(1, 300))
def test_the_whole_run_never_misses_an_extreme(ys, capacity, columns):
    series = series_of(ys, capacity)
    seen = finite(ys)
    expected = (min(seen), max(seen)) if seen else None
    assert series.view(1, max(len(ys), 1), columns).range == expected


@unhurried
@given(ys=any_points, capacity=capacities)
def test_every_point_counts_once(ys, capacity):
    series = series_of(ys, capacity)
    seen = finite(ys)
    assert (len(series), series.gaps) == (len(ys), len(ys) - len(seen))
    if seen:
        (column,) = whole(series, 1).columns
        assert column == Column(0, 1, len(ys), min(seen), max(seen), sum(seen) / len(seen), seen[-1])


@unhurried
@given(ys=any_points, capacity=capacities, first=steps, length=st.integers(0, 420), of_one_x=st.integers(1, 3))
def test_no_point_of_a_window_is_missing(ys, capacity, first, length, of_one_x):
    series = Series(capacity)
    for number, y in enumerate(ys):
        series.append(number // of_one_x, y)
    seen = finite(ys[max(first, 0) * of_one_x : max(first + length + 1, 0) * of_one_x])
    if seen:
        low, high = series.view(first, first + length, 20).range
        assert low <= min(seen)
        assert max(seen) <= high


@unhurried
@given(ys=any_points, capacity=capacities, first=steps, length=st.integers(0, 5000), columns=st.integers(1, 300))
def test_columns_come_in_order_and_never_more_than_asked_for(ys, capacity, first, length, columns):
    view = series_of(ys, capacity).view(first, first + length, columns)
    places = [column.place for column in view.columns]
    assert places == sorted(set(places))
    assert all(0 <= place < columns for place in places)
    assert all(before.end <= after.begin for before, after in zip(view.columns, view.columns[1:], strict=False))
    assert all(column.minimum <= column.mean <= column.maximum for column in view.columns)


@unhurried
@given(ys=any_points, capacity=capacities, when=st.sets(st.integers(0, 5000), max_size=10))
def test_what_is_seen_does_not_depend_on_when_it_was_looked_at(ys, capacity, when):
    looked_at = Series(capacity)
    for x, y in enumerate(ys, 1):
        looked_at.append(x, y)
        if x in when:
            shown(looked_at)
    assert shown(looked_at) == shown(series_of(ys, capacity))


@unhurried
@given(length=st.integers(17, 5000), capacity=capacities)
def test_the_newest_points_are_seen_in_full_however_long_the_series(length, capacity):
    series = series_of(map(float, range(1, length + 1)), capacity)
    newest = min(capacity - 1, length)
    columns = series.view(length - newest + 1, length, newest).columns
    assert [column.last for column in columns] == list(range(length - newest + 1, length + 1))
    assert all(column.minimum == column.maximum for column in columns)


def test_a_million_points_take_no_more_memory_than_some_ten_thousand():
    series = Series()
    sizes = {}
    for x in range(1, 1_000_001):
        series.append(x, x % 977)
        if x in (50_000, 1_000_000):
            sizes[x] = stored(series)
            assert len(series._buckets) <= 4096
            assert len(series._xs) < 4096 + 256
    assert sizes[1_000_000] < 512 * 1024
    assert sizes[1_000_000] < 2 * sizes[50_000]
    assert (len(series), series.extent, series.newest) == (1_000_000, (1, 1_000_000), 1_000_000 % 977)
    view = whole(series, 200)
    assert len(view.columns) == 200
    assert view.range == (0, 976)


def test_buckets_longer_than_a_block_are_filled_block_by_block():
    ys = [float(x % 101) for x in range(100_000)]
    series = series_of(ys, 16)
    assert len(series._buckets) <= 16
    assert series._bucket_size > 1000
    assert whole(series, 1).columns == (Column(0, 1, 100_000, 0.0, 100.0, sum(ys) / 100_000, ys[-1]),)


def test_gaps_alone_show_nothing_and_are_counted():
    series = series_of([None, math.nan, math.inf, -math.inf] * 100, 16)
    assert (len(series), series.gaps, series.extent, series.newest) == (400, 400, (1, 400), None)
    assert whole(series).columns == ()


@pytest.mark.parametrize("length", [16, 1024])
def test_a_column_of_gaps_is_left_out_and_the_last_of_another_is_no_gap(length):
    ys = [1.0] * length + [None] * length + [2.0] * (length - 1) + [None]
    columns = whole(series_of(ys, 128), 3).columns
    assert [(column.place, column.mean, column.last) for column in columns] == [(0, 1.0, 1.0), (2, 2.0, 2.0)]


@pytest.mark.parametrize("length", [10, 1000])
@pytest.mark.parametrize("value", [0.1, -1e-310, 5e-324, 1.7e308, -1.7e308, 0])
def test_a_constant_stays_what_it_is(value, length):
    series = series_of([value] * length, 16)
    assert {column[3:] for column in whole(series, 7).columns} == {(value,) * 4}
    for curve in smoothed(whole(series, 7), 0.9):
        assert curve == pytest.approx(value, rel=1e-12, abs=1e-300)


def test_a_mean_that_cannot_be_summed_up_stays_between_the_extremes():
    series = series_of([1.7e308, 1.6e308, -1.7e308, -1.6e308] * 100, 16)
    for column in whole(series, 7).columns:
        assert -1.7e308 <= column.mean <= 1.7e308


def test_points_of_one_x_are_all_seen_where_some_are_no_longer_kept_in_full():
    series = Series(16)
    for y in range(40):
        series.append(1 if y < 12 else 2 if y < 39 else 3, float(y))
    assert series.view(2, 3, 2).range == (12.0, 39.0)


def test_points_of_one_x_stay_together_where_they_are_kept_in_full():
    series = Series()
    for x in (1, 1, 1, 2, 2):
        series.append(x, float(x))
    assert [column[:3] for column in series.view(1, 2, 10).columns] == [(0, 1, 1), (9, 2, 2)]


@pytest.mark.parametrize("window", [(10, 1, 5), (1, 10, 0), (1, 10, -3), (30, 40, 5), (-9, 0, 5)])
def test_a_window_that_is_the_wrong_way_round_empty_or_elsewhere_shows_nothing(window):
    assert series_of([1.0] * 20).view(*window).columns == ()


@pytest.mark.parametrize("capacity", [16, 4096])
def test_every_change_changes_the_version(capacity):
    series = Series(capacity)
    versions = [series.version]
    for x in range(100):
        series.append(x, None)
        versions.append(series.version)
    for x in (90, 60, 60, 10, -1):
        series.cut(x)
        versions.append(series.version)
    series.append(0, 1.0)
    versions.append(series.version)
    assert len(set(versions)) == len(versions)


@unhurried
@given(ys=any_points, at=st.integers(-10, 1100), more=points, capacity=st.sampled_from([256, 1024, 4096]))
@example(ys=[1.0] * 300, at=251, more=[2.0] * 300, capacity=4096)
@example(ys=[1.0, 2.0] * 543, at=1085, more=[], capacity=1024)
def test_what_is_taken_back_in_time_leaves_no_trace(ys, at, more, capacity):
    ys = ys[: capacity + capacity // 16 - 1]  # with one more, the first would no longer be kept in full
    kept = ys[: max(at, 0)]
    series = series_of(ys, capacity)
    series.cut(at)
    assert shown(series) == shown(series_of(kept, capacity))
    for x, y in enumerate(more, len(kept) + 1):
        series.append(x, y)
    assert shown(series) == shown(series_of(kept + more, capacity))


@unhurried
@given(ys=long_runs(), at=st.integers(-10, 5100), more=points, capacity=capacities)
def test_what_is_taken_back_later_leaves_less_than_a_bucket(ys, at, more, capacity):
    series = series_of(ys, capacity)
    series.cut(at)
    kept = ys[: max(at, 0)]
    assert len(kept) <= len(series) < len(kept) + max(series._bucket_size, 2)
    assert series.extent == ((1, len(kept)) if kept else None)
    for x, y in enumerate(more, len(kept) + 1):
        series.append(x, y)
    seen = finite(kept + more)
    length = len(kept + more)
    assert series.extent == ((1, length) if length else None)
    assert len(kept + more) <= len(series) < length + max(series._bucket_size, 2)
    if seen:
        low, high = whole(series).range
        traces = finite(ys[len(kept) : len(kept) + series._bucket_size])
        assert min(seen + traces) <= low <= min(seen)
        assert max(seen) <= high <= max(seen + traces)
    assert len(series._buckets) <= capacity


def test_a_long_series_that_is_taken_back_as_a_whole_is_as_new():
    series = series_of([9.0] * 10_000, 16)
    series.cut(0)
    assert shown(series) == shown(Series(16))
    for x in range(1, 1000):
        series.append(x, 1.0)
    assert shown(series) == shown(series_of([1.0] * 999, 16))


def test_after_a_deep_cut_the_newest_point_is_that_of_its_bucket():
    series = series_of(map(float, range(1, 1001)), 16)
    series.cut(100)
    assert series.extent == (1, 100)
    assert 100 <= series.newest < 100 + series._bucket_size
    assert series.view(101, 1000, 5).columns == ()


def view_of(pairs):
    """A view with a column for each point."""
    columns = tuple(Column(place, x, x, y, y, y, y) for place, (x, y) in enumerate(pairs))
    return View(columns[0].begin, columns[-1].end, len(columns), columns)


def test_a_factor_of_nothing_smooths_nothing():
    view = view_of([(1, 3.0), (2, 1.0), (2, 4.0), (9, 5.0)])
    assert smoothed(view, 0) == [3.0, 1.0, 4.0, 5.0]


def test_single_steps_are_smoothed_as_tensorboard_smooths_them():
    ys = [random.Random(1).random() for _ in range(100)]
    expected, average = [], 0.0
    for number, y in enumerate(ys, 1):
        average = 0.9 * average + 0.1 * y
        expected.append(average / (1 - 0.9**number))
    assert smoothed(view_of(enumerate(ys, 1)), 0.9) == pytest.approx(expected)


def test_a_step_that_is_skipped_counts_as_the_one_after_it():
    assert smoothed(view_of([(1, 3.0), (2, 5.0), (3, 5.0), (4, 5.0)]), 0.8)[3] == pytest.approx(
        smoothed(view_of([(1, 3.0), (4, 5.0)]), 0.8)[1]
    )


def test_steps_that_share_the_first_column_count_each():
    shared = View(1, 4, 2, (Column(0, 1, 3, 2.0, 2.0, 2.0, 2.0), Column(1, 4, 4, 6.0, 6.0, 6.0, 6.0)))
    each = view_of([(1, 2.0), (2, 2.0), (3, 2.0), (4, 6.0)])
    assert smoothed(shared, 0.8)[1] == pytest.approx(smoothed(each, 0.8)[3])


@pytest.mark.parametrize("columns", [20, 100, 500])
@pytest.mark.parametrize("factor", [0.9, 0.99, 0.999])
def test_one_factor_gives_nearly_the_same_curve_however_many_steps_a_column_stands_for(factor, columns):
    noise = random.Random(2)
    ys = [2.0 * math.exp(-x / 5000) + noise.gauss(0, 0.02) for x in range(20_000)]
    series = series_of(ys)
    average, curve = 0.0, []
    for number, y in enumerate(ys, 1):
        average = factor * average + (1 - factor) * y
        curve.append(average / (1 - factor**number))
    view = whole(series, columns)
    # Within a column the later steps count for more, which its mean does not show: that much it may differ.
    within = 2.0 * (1 - math.exp(-20_000 / columns / 5000)) + 0.06
    for column, value in zip(view.columns, smoothed(view, factor), strict=True):
        assert value == pytest.approx(curve[int(column.end) - 1], abs=within)


@pytest.mark.parametrize("factor", [1, 1.5, -0.1, math.nan])
def test_a_factor_that_would_never_move_is_refused(factor):
    with pytest.raises(ValueError, match="a smoothing factor is at least 0 and below 1"):
        smoothed(view_of([(1, 1.0)]), factor)
