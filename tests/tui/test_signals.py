"""A signal stops a training that saves, a second one ends it at once, and a lost terminal is no reason for either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from cifar_core.control import Control, Request
from cifar_tui.signals import Signals, obeyed

OBEYED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
SAVING = (signal.SIGTERM, signal.SIGUSR1)


def handled():
    """What is done about each signal now."""
    return [signal.getsignal(number) for number in OBEYED]


@pytest.fixture(autouse=True)
def nothing_ignored():
    """No signal is ignored before; afterwards, all are handled as they were."""
    before = handled()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in zip(OBEYED, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def control():
    return Control()


@pytest.fixture
def signals(control):
    """What obeys signals, with the sentences that it tells in a list."""
    with obeyed(control) as obeying:
        obeying.told = []
        obeying.tell = obeying.told.append
        yield obeying


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def taken(control):
    requests = []
    while control.pending:
        requests.append(control.take())
    return requests


def test_the_first_interrupt_stops_the_training(signals, control):
    assert control.ending is None
    send(signal.SIGINT)
    assert taken(control) == [Request.STOP]
    assert control.ending is Request.STOP
    assert signals.told == ["stopping before the next step; Ctrl+C again ends at once"]
    assert not signals.saving


@pytest.mark.parametrize("number", SAVING)
def test_what_batch_systems_send_stops_the_training_and_is_remembered(signals, control, number):
    send(number)
    assert taken(control) == [Request.STOP]
    assert control.ending is Request.STOP
    assert signals.saving
    assert signals.told == [f"{number.name}: saving before the next step"]


@pytest.mark.parametrize("first", SAVING)
def test_however_often_batch_systems_send_it_is_said_once(signals, control, first):
    send(first, *SAVING, *SAVING)
    assert taken(control) == [Request.STOP]
    assert signals.saving
    assert signals.told == [f"{first.name}: saving before the next step"]


def test_what_batch_systems_send_after_an_interrupt_is_remembered_and_ends_nothing(signals, control):
    send(signal.SIGINT, signal.SIGTERM)
    assert control.ending is Request.STOP
    assert signals.saving
    assert len(signals.told) == 2


def test_a_terminal_that_is_lost_is_told_of_and_nothing_else(signals, control):
    send(signal.SIGHUP)
    assert taken(control) == []
    assert control.ending is None
    assert (signals.saving, signals.code) == (False, None)
    assert signals.told == ["the terminal is gone; the training goes on"]


def test_a_lost_terminal_ends_nothing_even_when_only_output_is_on_its_way(signals):
    signals.code = 75
    send(signal.SIGHUP)
    assert signals.told == ["the terminal is gone; the training goes on"]


def test_without_anybody_to_tell_it_is_said_on_standard_error(control, capsys):
    with obeyed(control):
        send(signal.SIGTERM, signal.SIGHUP)
    told = ["cifar-tui: SIGTERM: saving before the next step", "cifar-tui: the terminal is gone; the training goes on"]
    assert capsys.readouterr() == ("", "".join(f"{line}\n" for line in told))


@pytest.fixture
def others():
    """Handlers of somebody else, one for each signal."""
    there = [Signals(Control()) for _ in OBEYED]
    for number, handler in zip(OBEYED, there, strict=True):
        signal.signal(number, handler)
    return there


def test_afterwards_signals_do_what_they_did_before(control, others):
    with obeyed(control) as signals:
        assert handled() == [signals] * len(OBEYED)
    assert handled() == others


def test_after_an_error_signals_do_what_they_did_before(control, others):
    with pytest.raises(ValueError, match="broken"), obeyed(control):
        raise ValueError("broken")
    assert handled() == others


def test_a_lost_terminal_that_was_ignored_before_stays_ignored(control):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with obeyed(control) as signals:
        told = []
        signals.tell = told.append
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        send(signal.SIGHUP)
    assert told == []
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_of_two_trainings_one_after_the_other_each_is_stopped_by_its_own_signal():
    for _ in range(2):
        control = Control()
        with obeyed(control) as signals:
            signals.tell = str
            send(signal.SIGINT)
        assert taken(control) == [Request.STOP]


# What ends the process, and so needs one of its own

PROCESS = """
import os, signal, sys
from cifar_core.control import Control
from cifar_tui.signals import obeyed

control = Control()
signal.signal(signal.SIGHUP, signal.SIG_DFL)
try:
    with obeyed(control) as signals:
        {act}
        for name in sys.argv[1:]:
            os.kill(os.getpid(), signal.Signals[name])
            print("after", name, flush=True)
finally:
    print("left in order")
"""


def process(*numbers, act="pass"):
    command = [sys.executable, "-c", PROCESS.format(act=act), *(number.name for number in numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def test_a_second_interrupt_ends_the_process_at_once():
    told = "cifar-tui: stopping before the next step; Ctrl+C again ends at once"
    assert process(signal.SIGINT, signal.SIGINT, signal.SIGHUP) == (130, ["after SIGINT"], [told])


@pytest.mark.parametrize("number", [signal.SIGINT, *SAVING])
@pytest.mark.parametrize("code", [0, 75])
def test_once_only_output_is_on_its_way_any_signal_ends_the_process_with_its_code(number, code):
    assert process(number, act=f"signals.code = {code}") == (code, [], [])


def test_repeated_wishes_of_a_batch_system_do_not_end_the_process():
    code, said, told = process(*SAVING, *SAVING, signal.SIGHUP)
    assert (code, said[-1], len(told)) == (0, "left in order", 2)
