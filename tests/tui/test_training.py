"""Trainings of one process: one after another, each to its end, and none begun that is not wanted any longer."""

import asyncio
import contextlib
import os
import threading
import time

import psutil
import pytest
from samples import run_started

from cifar_core.control import Request
from cifar_core.errors import TrainingError
from cifar_core.events import RunFinished, StepCompleted
from cifar_experiments import presets, runs
from cifar_experiments.live.client import NotControllableError
from cifar_experiments.live.protocol import Pause, Stop
from cifar_experiments.runs.lock import holder
from cifar_experiments.runs.resuming import Start
from cifar_tui import training
from cifar_tui.training import Trainings

PATIENCE = 30
STEP = StepCompleted(time=1.0, epoch=1, step=1, loss=2.0, accuracy=0.1, learning_rate=0.1)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finished(reason="completed"):
    seconds = dict.fromkeys(("training_seconds", "evaluation_seconds", "data_seconds", "paused_seconds"), 1.0)
    return RunFinished(time=2.0, reason=reason, epoch=1, step=1, **seconds)


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """In place of the engine: what each run does, by its id; else it goes on until it is asked to stop."""
    doing = {}

    async def trained(start, recorder, control, _tell):
        async def events():
            yield run_started(run_id=start.run.id)
            yield STEP
            act = doing.get(start.run.id)
            if act is not None:
                yield act()
                return
            while control.ending is None:  # noqa: ASYNC110, which has no event
                await asyncio.sleep(0.005)
            yield finished("stopped")

        async with contextlib.aclosing(recorder.record(events())) as recorded:
            async for event in recorded:
                yield event

    monkeypatch.setattr(training, "trained", trained)
    return doing


@pytest.fixture
def trainings():
    made = Trainings(contextlib.nullcontext)
    yield made
    made.stop()
    made.join()


@pytest.fixture
def new(tmp_path):
    """Make a run that is about to begin."""

    def create():
        config = presets.compose("quickstart").config
        return Start(runs.create(config, tmp_path / "runs", command=["cifar-tui"]), config)

    return create


def fail(error):
    def act():
        raise error

    return act


def test_they_train_one_after_another_in_order(trainings, engine, new):
    starts = [new() for _ in range(3)]
    order = []
    for start in starts:
        engine[start.run.id] = lambda name=start.run.id: order.append(name) or finished()
    added = [trainings.add(start) for start in starts]
    until(lambda: all(each.ended for each in added))
    assert order == [start.run.id for start in starts]
    assert [each.status for each in added] == ["completed"] * 3
    assert trainings.current is None


def test_those_that_come_after_the_current_one_wait(trainings, new):
    first, second = trainings.add(new()), trainings.add(new())
    until(lambda: first.status == "running")
    assert (trainings.current, trainings.waiting) == (first, [second])
    assert second.status == "waiting"


@pytest.mark.parametrize(
    "error",
    [TrainingError("out of memory"), RuntimeError("the GPU is lost"), SystemExit(3)],
    ids=lambda error: type(error).__name__,
)
def test_one_that_fails_is_told_and_the_next_one_is_trained(error, trainings, engine, new):
    starts = new(), new()
    engine[starts[0].run.id] = fail(error)
    engine[starts[1].run.id] = finished
    first, second = (trainings.add(start) for start in starts)
    until(lambda: second.ended)
    assert (first.status, first.code) == ("failed", 4)
    assert str(error) in first.error
    assert "Traceback" in first.run.log.read_text()
    assert (second.status, second.code) == ("completed", 0)


def test_a_stop_ends_the_current_one_and_none_that_waits_or_comes_later_begins(trainings, new):
    first, second = trainings.add(new()), trainings.add(new())
    until(lambda: first.status == "running")
    trainings.stop()
    late = trainings.add(new())
    trainings.join()
    assert first.status == "stopped"
    until(lambda: late.ended)
    for other in (second, late):
        assert (other.begun, other.status, other.error) == (False, "not begun", None)
        assert runs.current(other.run).state == "created"


def test_a_stop_after_the_epoch_lets_the_current_one_go_on_and_no_other_one_begin(trainings, new):
    first, second = trainings.add(new()), trainings.add(new())
    until(lambda: first.status == "running")
    trainings.stop_after_epoch()
    assert first.control.stops_after_epoch
    assert (first.control.ending, second.control.ending) == (None, Request.STOP)


def test_nobody_waits_for_one_that_cannot_begin_yet_once_it_is_not_to(new):
    free, asked = threading.Event(), threading.Event()

    @contextlib.contextmanager
    def alone():
        asked.set()
        free.wait(PATIENCE)
        yield

    trainings = Trainings(alone)
    added = trainings.add(new())
    assert asked.wait(PATIENCE)
    assert added.status == "starting"
    trainings.stop()
    trainings.join()  # would last as long as the patience
    assert not free.is_set()
    assert not added.begun
    free.set()
    until(lambda: added.ended)
    assert not added.begun


def test_a_run_that_another_process_works_on_is_refused_and_left_as_it_is(trainings, new):
    start = new()
    with runs.locked(start.run):
        added = trainings.add(start)
        until(lambda: added.ended)
    assert (added.status, added.code) == ("failed", 2)
    assert f"process {os.getpid()} on " in added.error
    assert start.run.events.read_bytes() == b""


def test_a_folder_that_is_gone_before_its_turn_comes_is_one_sentence(trainings, new):
    start = new()
    for file in start.run.path.iterdir():
        file.unlink()
    start.run.path.rmdir()
    added = trainings.add(start)
    until(lambda: added.ended)
    assert (added.status, added.code) == ("failed", 4)
    assert str(start.run.path) in added.error


def test_afterwards_no_lock_no_thread_and_no_descriptor_is_left(new):
    before = psutil.Process().num_fds(), threading.active_count()
    trainings = Trainings(contextlib.nullcontext)
    added = [trainings.add(new()) for _ in range(3)]
    for each in added:
        until(lambda each=each: each.status == "running")
        each.control.stop()
    trainings.join()
    assert [holder(each.run) for each in added] == [None] * 3
    until(lambda: (psutil.Process().num_fds(), threading.active_count()) == before)


def test_what_is_printed_goes_to_the_log_of_the_run_that_trains_and_back_afterwards(trainings, engine, new, capfd):
    starts = new(), new()
    for start in starts:
        engine[start.run.id] = lambda name=start.run.id: os.write(2, f"native of {name}\n".encode()) and finished()
    added = [trainings.add(start) for start in starts]
    until(lambda: all(each.ended for each in added))
    os.write(2, b"after all\n")
    for start, other in (starts, starts[::-1]):
        assert f"native of {start.run.id}" in start.run.log.read_text()
        assert other.run.id not in start.run.log.read_text()
    assert capfd.readouterr().err == "after all\n"


async def test_requests_reach_the_control_and_are_refused_after_the_end(trainings, new):
    added = trainings.add(new())
    await asyncio.to_thread(until, lambda: added.status == "running")
    await added.ask(Pause())
    assert added.control.take() is Request.PAUSE
    await added.ask(Stop())
    await asyncio.to_thread(until, lambda: added.ended)
    with pytest.raises(NotControllableError, match="has ended"):
        await added.ask(Pause())
