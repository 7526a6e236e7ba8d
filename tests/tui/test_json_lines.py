"""A program that reads a training's events gets all of them, and nothing else, however slowly it reads."""

from __future__ import annotations

import os
import select
import threading
import types
from contextlib import aclosing

import pytest
from samples import run_started

from cifar_core.config import Config
from cifar_core.events import CheckpointStarted, Preparing, StepCompleted, Warned, to_json
from cifar_experiments import runs
from cifar_experiments.live import follow
from cifar_tui import json_lines
from cifar_tui.json_lines import JsonLines
from cifar_tui.outlet import Outlet

PATIENCE = 60


@pytest.fixture
def run(tmp_path):
    return runs.create(Config(name="mine"), tmp_path / "runs", command=["cifar-tui", "mine"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The file is looked at often."""
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(json_lines, "POLL_SECONDS", 0.001)


class Reader:
    """A program at the other end of a pipe; reads only what it is told to."""

    def __init__(self):
        self._near, self._far = os.pipe()
        self._log = os.open(os.devnull, os.O_WRONLY)
        self.out = Outlet(self._far, "utf-8", self._log)

    def read(self, size):
        """Read so many bytes, as soon as they are there."""
        read = b""
        while len(read) < size:
            read += os.read(self._near, min(size - len(read), 1 << 16))
        return read

    def waits(self, seconds):
        """Whether something comes in that time."""
        return bool(select.select([self._near], [], [], seconds)[0])

    def rest(self, presenter):
        """Read all that comes until the presenter and the way to here are closed."""
        parts = []
        reading = threading.Thread(target=lambda: parts.extend(iter(lambda: os.read(self._near, 1 << 16), b"")))
        reading.start()
        presenter.close()
        self.out.close()
        os.close(self._far)
        self._far = None
        reading.join(PATIENCE)
        assert not reading.is_alive()
        return b"".join(parts)

    def leave(self):
        """Read no more."""
        os.close(self._near)
        self._near = None

    def clear_up(self):
        if self._near is not None:
            self.leave()
        self.out.close()
        if self._far is not None:
            os.close(self._far)
        os.close(self._log)


@pytest.fixture
def reader():
    there = Reader()
    yield there
    there.clear_up()


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def lines(*events):
    return b"".join(to_json(event) + b"\n" for event in events)


async def stream(events):
    """Yield the events, and call what can be called."""
    for event in events:
        if callable(event):
            event()
        else:
            yield event


async def shown(recorder, presenter, *events):
    """Record the events and show them, as a training does."""
    async with aclosing(recorder.record(stream(events))) as passed:
        async for event in passed:
            presenter.show(event)


class Asked:
    """A recorder that knows when it was asked where its events begin."""

    def __init__(self, recorder):
        self._recorder = recorder
        self.was = threading.Event()

    @property
    def begins_at(self):
        begin = self._recorder.begins_at
        self.was.set()
        return begin


PREPARING = Preparing(time=1.0, phase="decode", subject="ä\n")
HISTORY = [run_started(), step(1), step(2), CheckpointStarted(time=1.0, epoch=1, step=2, number=1)]
LATER = [step(3), step(4)]
GOING_ON = run_started(time=200.0, resumed_from_step=2, resumed_from_checkpoint=1)


async def test_everything_that_is_recorded_comes_in_its_order_and_nothing_else(run, reader):
    events = [PREPARING, run_started(), *map(step, range(1, 2_000)), Warned(time=1.0, code="fell-back", message="\x1b")]
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        await shown(recorder, presenter, *events)
        assert reader.rest(presenter) == lines(*events) == run.events.read_bytes()
    assert reader.out.failure is None


async def test_events_come_while_the_training_goes_on(run, reader):
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        async with aclosing(recorder.record(stream([PREPARING, run_started(), PREPARING]))) as passed:
            async for event in passed:
                assert reader.read(len(lines(event))) == lines(event)
        assert reader.rest(presenter) == b""


async def test_a_reader_that_stalls_holds_up_nobody_and_gets_everything_later(run, reader):
    message = Warned(time=1.0, code="fell-back", message="x" * 100_000)
    events = [run_started(), *[message] * 40, step(1)]
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        await shown(recorder, presenter, *events)
    assert reader.rest(presenter) == lines(*events)


async def test_to_close_waits_for_a_reader_that_stalls(run, reader):
    events = [run_started(), *[Warned(time=1.0, code="fell-back", message="x" * 100_000)] * 3]
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        await shown(recorder, presenter, *events)
        closing = threading.Thread(target=presenter.close)
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()
        assert reader.rest(presenter) == lines(*events)
        closing.join(PATIENCE)
    assert not closing.is_alive()


async def test_a_reader_that_leaves_holds_up_nobody(run, reader):
    events = [run_started(), *[Warned(time=1.0, code="fell-back", message="x" * 100_000)] * 3]
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        await shown(recorder, presenter, *events, lambda: reader.read(1), reader.leave, *events)
        presenter.close()
    assert not presenter._thread.is_alive()
    assert reader.out.failure is None


async def test_of_a_run_that_goes_on_only_what_is_new_comes(run, reader):
    run.events.write_bytes(lines(*HISTORY, *LATER))
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock, resumed=True)
        presenter = JsonLines(reader.out, run.events, recorder)
        await shown(recorder, presenter, PREPARING, GOING_ON, *LATER, lambda: reader.read(len(lines(PREPARING))))
        assert reader.rest(presenter) == lines(GOING_ON, *LATER)


async def test_of_a_run_that_does_not_come_to_go_on_nothing_comes(run, reader):
    run.events.write_bytes(lines(*HISTORY, *LATER))
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock, resumed=True)
        presenter = JsonLines(reader.out, run.events, recorder)
        await shown(recorder, presenter, PREPARING)
        assert reader.rest(presenter) == b""
    assert recorder.begins_at is None
    assert not presenter._thread.is_alive()


async def test_of_a_run_that_goes_on_and_ends_at_once_everything_comes(run, reader, monkeypatch):
    monkeypatch.setattr(json_lines, "POLL_SECONDS", PATIENCE)
    run.events.write_bytes(lines(*HISTORY, *LATER))
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock, resumed=True)
        asked = Asked(recorder)
        presenter = JsonLines(reader.out, run.events, asked)
        assert asked.was.wait(PATIENCE)
        await shown(recorder, presenter, PREPARING, GOING_ON, *LATER)
        assert reader.rest(presenter) == lines(PREPARING, GOING_ON, *LATER)


async def test_of_a_run_that_begins_anew_nothing_of_the_earlier_beginning_comes(run, reader):
    run.events.write_bytes(lines(*HISTORY, *LATER))
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        reader.waits(0.5)  # as long as a training takes to begin
        await shown(recorder, presenter, PREPARING, run_started(), step(1))
        assert reader.rest(presenter) == lines(PREPARING, run_started(), step(1))


def test_an_event_file_that_is_gone_is_told_and_ends_nothing(tmp_path, reader):
    presenter = JsonLines(reader.out, tmp_path / "\x1b", types.SimpleNamespace(begins_at=0))
    presenter._thread.join(PATIENCE)
    presenter.show(step(1))
    assert reader.rest(presenter) == b""
    assert reader.out.failure == rf"{tmp_path}/\x1b: cannot be followed: No such file or directory"


async def test_of_an_event_file_that_vanishes_on_the_way_comes_all_that_was_written(run, reader):
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        presenter = JsonLines(reader.out, run.events, recorder)
        begun = lines(run_started())
        await shown(recorder, presenter, run_started(), lambda: reader.read(len(begun)), run.events.unlink, PREPARING)
        assert reader.rest(presenter) == lines(PREPARING)
    assert reader.out.failure is None
