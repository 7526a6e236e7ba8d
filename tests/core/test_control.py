"""Requests arrive in order, from any thread, and wait until they are taken."""

import math

import pytest

from cifar_core.control import ChangeLearningRate, Control, Request


def test_requests_are_taken_in_the_order_they_were_made():
    control = Control()
    control.pause()
    control.change_learning_rate(0.5)
    control.resume()
    control.toggle_pause()
    control.stop()
    taken = []
    while control.pending:
        taken.append(control.take())
    assert taken == [
        Request.PAUSE,
        ChangeLearningRate(0.5),
        Request.RESUME,
        Request.TOGGLE_PAUSE,
        Request.STOP,
    ]
    assert control.take() is None


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_learning_rate_is_refused(rate):
    control = Control()
    with pytest.raises(ValueError, match="learning rate"):
        control.change_learning_rate(rate)
    assert not control.pending


def test_the_end_is_seen_without_taking_requests():
    control = Control()
    assert control.ending is None
    control.stop()
    assert control.ending is Request.STOP
    control.close()
    assert control.ending is Request.CLOSE


def test_a_stop_does_not_take_back_a_close():
    control = Control()
    control.close()
    control.stop()
    assert control.ending is Request.CLOSE
