"""Lookahead goes back half of the way at each meeting, and all that it knows is in its state."""

import pytest
import torch
from torch import nn

from cifar_core.optim.lookahead import Lookahead


def walk(lookahead, weight, steps):
    """Add 1 in each step; return where the weight is after each."""
    places = []
    for _ in range(steps):
        with torch.no_grad():
            weight += 1.0
        lookahead.after_step()
        places.append(weight.item())
    return places


@pytest.fixture
def weight():
    return nn.Parameter(torch.zeros(()))


def test_at_each_meeting_half_of_the_way_is_taken_back(weight):
    assert walk(Lookahead([weight], 4), weight, 12) == [1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6]


def test_each_step_can_be_a_meeting(weight):
    assert walk(Lookahead([weight], 1), weight, 3) == [0.5, 1.0, 1.5]


def test_it_goes_on_from_its_state_in_the_midst_of_the_way(weight):
    first = Lookahead([weight], 4)
    walk(first, weight, 6)
    other = nn.Parameter(weight.detach().clone())
    second = Lookahead([other], 4)
    second.load_state_dict(first.state_dict())
    assert walk(second, other, 6) == walk(first, weight, 6)


def test_begun_anew_it_knows_nothing_of_before(weight):
    lookahead = Lookahead([weight], 4)
    walk(lookahead, weight, 3)
    lookahead.restart()
    assert walk(lookahead, weight, 4) == [4, 5, 6, 5]
