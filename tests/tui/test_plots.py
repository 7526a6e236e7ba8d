"""What charts show of a history: the right lines over the right steps, in a range that suits them."""

import pytest
from samples import evaluated, run_started

from cifar_core.events import StepCompleted
from cifar_experiments.history import History
from cifar_tui.plots import Sight, accuracy_plot, loss_plot
from cifar_tui.window import Window


def step(number, **changes):
    figures = {"time": 100.0 + number, "epoch": 1, "loss": 2.0, "accuracy": 0.5, "learning_rate": 0.1}
    return StepCompleted(**{**figures, "step": number, **changes})


def history(*events):
    history = History()
    for event in (run_started(), *events):
        history.apply(event)
    return history


def line(plot, name):
    return next(each for each in plot.lines if each.name == name)


def test_each_step_is_a_point_where_there_is_room():
    plot = loss_plot(history(*(step(n, loss=n) for n in range(1, 6))), Sight(0, 6, 60))
    assert [(x, y) for x, _, _, y in line(plot, "train").points] == [(n, n) for n in range(1, 6)]
    assert plot.x_range == (0, 6)


def test_accuracies_are_in_percent():
    plot = accuracy_plot(history(step(1, accuracy=0.25), evaluated(step=1, top1=0.5)), Sight(0, 2, 10))
    assert line(plot, "train").points[0][3] == 25
    assert line(plot, "val").points[0][3] == 50
    assert plot.marks[0].label == "best 50.0"


def test_the_best_evaluation_is_marked_in_both_charts():
    there = history(step(1), evaluated(step=10, loss=1.5), evaluated(step=20, loss=1.2, best=False))
    (mark,) = loss_plot(there, Sight(0, 30, 30)).marks
    assert (mark.x, mark.y) == (10, 1.5)
    assert [mark.x for mark in accuracy_plot(there, Sight(0, 30, 30)).marks] == [10]


def test_a_best_evaluation_out_of_sight_is_not_marked():
    there = history(*(step(n) for n in range(1, 40)), evaluated(step=10))
    assert loss_plot(there, Sight(20, 40, 30)).marks == accuracy_plot(there, Sight(20, 40, 30)).marks == ()


def test_without_validation_images_the_test_images_are_shown():
    plot = loss_plot(history(step(1), evaluated(step=1, split="test", best=False)), Sight(0, 2, 10))
    assert [each.name for each in plot.lines] == ["", "train", "test"]


def test_before_the_first_step_there_is_an_empty_plot():
    plot = loss_plot(History(), Sight(0, 1, 10))
    assert plot.y_range is None
    assert not any(each.points for each in plot.lines)


def test_losses_that_are_not_finite_are_gaps():
    plot = loss_plot(history(step(1), step(2, loss=None), step(3)), Sight(0, 4, 40))
    assert [x for x, *_ in line(plot, "train").points] == [1, 3]


def test_extremes_are_shown_where_they_leave_the_curve_in_sight_and_left_out_where_not():
    falling = [step(n, loss=10 - n / 100 + (0.2 if n % 2 else -0.2)) for n in range(1, 901)]
    wild = [step(n, loss=10 - n / 100 + (9 if n % 2 else -0.9)) for n in range(1, 901)]
    narrow, broad = (loss_plot(history(*steps), Sight(0, 900, 30)).lines[0] for steps in (falling, wild))
    assert all(low < mean < high for _, low, high, mean in narrow.points)
    assert all(low == mean == high for _, low, high, mean in broad.points)


def test_a_long_run_is_smoothed_as_much_as_a_short_one():
    assert Sight(0, 1_000, 10, 0.9).factor == pytest.approx(0.9)
    assert Sight(0, 10, 10, 0.9).factor == pytest.approx(0.9)
    assert Sight(0, 100_000, 10, 0.9).factor ** 100 == pytest.approx(0.9)
    assert Sight(0, 100_000, 10, 0.0).factor == 0


def test_percentages_leave_no_room_beyond_none_and_all():
    for accuracy in (0.0, 1.0):
        low, high = accuracy_plot(history(step(1, accuracy=accuracy)), Sight(0, 2, 10)).y_range
        assert 0 <= low < high <= 100


@pytest.mark.parametrize("newest", [0, 1, 7, 999, 12_480, 24_999, 25_000])
def test_the_whole_shows_every_step_and_little_more(newest):
    first, last = Window().steps(newest, 25_000)
    assert first == 0
    assert max(newest, 1) <= last <= max(1.15 * newest + 1, 1)
    assert last <= 25_000


def test_the_window_of_all_steps_stands_still_for_a_while():
    assert len({Window().steps(newest, 100_000) for newest in range(50_000, 51_000)}) <= 2


def test_recent_steps_follow_the_end():
    first, last = Window(recent=True).steps(20_000, 25_000)
    assert last - first == 2048
    assert first < 20_000 <= last
    assert Window(recent=True).steps(500, 25_000) == Window().steps(500, 25_000)


def test_zooming_in_halves_what_is_seen_and_out_comes_back_to_the_whole():
    window = Window().zoomed(0.5, 1000, 5000)
    first, last = window.steps(1000, 5000)
    assert last - first == pytest.approx(512, rel=0.1)
    assert last >= 1000
    assert window.zoomed(2, 1000, 5000) == Window()


def test_zooming_ends_at_a_few_steps():
    window = Window()
    for _ in range(50):
        window = window.zoomed(0.5, 1000, 5000)
    first, last = window.steps(1000, 5000)
    assert 10 <= last - first <= 20


def test_panning_stops_at_the_first_step_and_follows_the_newest_again():
    window = Window(span=100)
    for _ in range(100):
        window = window.panned(-0.25, 1000, 5000)
    assert window.steps(1000, 5000) == (0, 100)
    assert window.steps(2000, 5000) == (0, 100)
    for _ in range(100):
        window = window.panned(0.25, 1000, 5000)
    assert window.end is None
    assert Window().panned(-0.25, 1000, 5000).steps(1000, 5000)[0] == 0
