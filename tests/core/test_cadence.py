"""Checkpoints come after epochs and minutes, and cost no more than they are worth."""

import pytest

from cifar_core.cadence import SHARE, Cadence


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.mark.parametrize(("every", "due"), [(1, [1, 2, 3, 4, 5, 6]), (3, [3, 6]), (0, [])])
def test_a_number_of_epochs_is_kept_whatever_it_costs(every, due, clock):
    cadence = Cadence(every, 10, clock)
    cadence.saved(1e6)
    assert [epoch for epoch in range(1, 7) if cadence.due_after_epoch(epoch)] == due


def test_without_one_the_first_epoch_is_saved_and_then_no_more_than_the_share_is_spent(clock):
    cadence = Cadence(None, 10, clock)
    assert cadence.due_after_epoch(1)
    cadence.saved(0.5)
    clock.seconds += 0.5 / SHARE - 0.01
    assert not cadence.due_after_epoch(2)
    clock.seconds += 0.02
    assert cadence.due_after_epoch(3)
    spent, began = 0.0, clock.seconds
    for epoch in range(10_000):
        clock.seconds += 1.7
        if cadence.due_after_epoch(epoch):
            clock.seconds += 0.5
            cadence.saved(0.5)
            spent += 0.5
    assert 0.5 * SHARE < spent / (clock.seconds - began) <= SHARE


def test_after_its_minutes_one_is_due_wherever_the_training_is(clock):
    cadence = Cadence(0, 2.5, clock)
    clock.seconds += 149.9
    assert not cadence.due()
    clock.seconds += 0.2
    assert cadence.due()
    cadence.saved(0.1)
    assert not cadence.due()
    cadence.minutes = 0.01
    clock.seconds += 0.7
    assert cadence.due()
