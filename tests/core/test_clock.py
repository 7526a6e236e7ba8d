"""Every second belongs to one phase, and rates know nothing of warm-up, evaluation and pauses."""

import pytest

from cifar_core.clock import Clock


class Hands:
    """A clock's hands, moved by the test."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def hands():
    return Hands()


def test_time_is_charged_to_the_phase_that_it_was_spent_in(hands):
    clock = Clock(hands)
    for phase, seconds in [("training", 1.0), ("data", 2.0), ("training", 4.0), ("evaluation", 8.0), ("paused", 16.0)]:
        clock.enter(phase)
        hands.now += seconds
    clock.enter("preparing")
    spent = {phase: clock.seconds(phase) for phase in ("preparing", "training", "data", "evaluation", "paused")}
    assert spent == {"preparing": 0, "training": 5, "data": 2, "evaluation": 8, "paused": 16}


def test_a_phase_still_going_on_counts(hands):
    clock = Clock(hands)
    clock.enter("training")
    hands.now += 3
    assert clock.seconds("training") == 3
    hands.now += 1
    assert clock.seconds("training") == 4


def test_the_rate_leaves_warm_up_evaluation_and_pauses_out(hands):
    clock = Clock(hands)
    clock.enter("training")
    clock.count(1_000_000)
    hands.now += 50
    clock.rate_from_here()
    for phase, seconds, images in [("data", 1, 0), ("training", 3, 800), ("evaluation", 30, 0), ("paused", 99, 0)]:
        clock.enter(phase)
        hands.now += seconds
        clock.count(images)
    assert clock.images_per_second() == 200


def test_there_is_no_rate_before_the_warm_up_is_over(hands):
    clock = Clock(hands)
    clock.enter("training")
    hands.now += 1
    clock.count(100)
    assert clock.images_per_second() is None
    clock.rate_from_here()
    assert clock.images_per_second() is None
