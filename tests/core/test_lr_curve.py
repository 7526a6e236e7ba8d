"""The smooth curve follows its losses without lag, and the rates it suggests are where they should be."""

import math
from itertools import pairwise

import numpy as np
import pytest

from cifar_core.lr_curve import smooth, suggested


def tried(loss, low=1e-5, high=10.0, steps=600, noise=0.0):
    """Rates from low to high, and a loss for each, given the logarithm of the rate."""
    rates = np.logspace(math.log10(low), math.log10(high), steps)
    drawn = np.random.default_rng(0).normal(scale=noise, size=steps)
    return [(float(rate), float(loss(math.log10(rate)) + extra)) for rate, extra in zip(rates, drawn, strict=True)]


def valley(place):
    """A loss that falls most steeply at 0.01 (by 1.2 in a decade), is lowest near 0.1 and then explodes."""
    return 2.3 - 1.0 / (1 + math.exp(-4.8 * (place + 2))) + math.exp(8 * (place + 0.4))


def test_a_straight_line_stays_what_it_is():
    points = smooth(tried(lambda place: 2.0 - 0.1 * place))
    for point in points:
        assert point.loss == pytest.approx(2.0 - 0.1 * math.log10(point.rate))
        assert point.slope == pytest.approx(-0.1)


def test_it_reaches_from_the_first_rate_to_the_last_in_equal_ratios():
    points = smooth(tried(valley, 1e-4, 1.0))
    rates = [point.rate for point in points]
    assert (rates[0], rates[-1]) == (pytest.approx(1e-4), pytest.approx(1.0))
    ratios = [after / before for before, after in pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


@pytest.mark.parametrize(("steps", "noise"), [(200, 0.0), (600, 0.05), (3000, 0.3)])
def test_the_steepest_fall_and_the_minimum_are_found_in_noise(steps, noise):
    suggestion = suggested(smooth(tried(valley, high=0.5, steps=steps, noise=noise)))
    assert abs(math.log10(suggestion.steepest.rate) + 2) < 0.2
    assert abs(math.log10(suggestion.lowest.rate) + 1) < 0.35


def test_one_loss_of_millions_bends_nothing():
    losses = tried(valley, high=0.1)
    spiked = [*losses[:-1], (losses[-1][0], 1e9)]
    steepest = [suggested(smooth(each)).steepest.rate for each in (losses, spiked)]
    assert steepest[0] == pytest.approx(steepest[1])


def test_a_fall_behind_the_minimum_counts_for_nothing():
    def hill(place):
        return valley(place) if place < -0.8 else 4.0 - 3 * (place + 0.8)

    steepest = suggested(smooth(tried(hill, high=0.6))).steepest.rate
    assert abs(math.log10(steepest) + 2) < 0.2


@pytest.mark.parametrize("loss", [lambda _: 2.3, lambda place: 2.3 + 0.1 * place, lambda place: 2.3 - 0.005 * place])
def test_where_nothing_falls_nothing_is_suggested(loss):
    assert suggested(smooth(tried(loss))) is None


def test_few_rates_over_many_decades_make_a_curve_too():
    points = smooth(tried(lambda place: 2.3 - 0.01 * place, 1e-30, 1e30, steps=10))
    assert [point.slope for point in points] == pytest.approx([-0.01] * len(points))


def test_without_points_nothing_is_suggested():
    assert suggested([]) is None
