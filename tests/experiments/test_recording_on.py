"""A run that goes on has its record go on: cut at the checkpoint, without a step lost, doubled or made up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import threading
from contextlib import aclosing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import epoch_completed, evaluated, run_started

from cifar_core.config import Config
from cifar_core.errors import CifarError
from cifar_core.events import (
    CheckpointSaved,
    CheckpointStarted,
    Paused,
    Preparing,
    Resumed,
    RunFinished,
    StepCompleted,
    SystemSampled,
    Warned,
    to_json,
)
from cifar_experiments import runs
from cifar_experiments.runs import recording


@pytest.fixture
def run(tmp_path):
    return runs.create(Config(name="mine"), tmp_path / "runs", command=["cifar-tui", "mine"])


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def steps(first, last):
    return [step(number) for number in range(first, last + 1)]


def begun(number, after):
    return CheckpointStarted(time=1.0, epoch=1, step=after, number=number)


def saved(after):
    return CheckpointSaved(time=1.0, epoch=1, step=after, best=False, path="/there", bytes=1, seconds=0.1)


def finished(reason, after, **changes):
    seconds = {"training_seconds": 1.0, "evaluation_seconds": 1.0, "data_seconds": 1.0, "paused_seconds": 1.0}
    return RunFinished(time=9.0, reason=reason, epoch=1, step=after, **{**seconds, **changes})


PREPARING = Preparing(time=1.0, phase="decode", subject="images")
FELL_BACK = Warned(time=1.0, code="fell-back", message="the last one is damaged")
KEPT = [run_started(), *steps(1, 4), begun(1, 4)]
LATER = [saved(4), *steps(5, 7), Paused(time=1.0, epoch=1, step=7)]
GOING_ON = run_started(time=200.0, resumed_from_step=4, resumed_from_checkpoint=1)


def lines(*events):
    return b"".join(to_json(event) + b"\n" for event in events)


WHOLE = lines(*KEPT, *LATER)
CUT = len(lines(*KEPT))


async def stream(*events):
    """Yield the events; raise what is an exception, and call what can be."""
    for event in events:
        if isinstance(event, BaseException):
            raise event
        if callable(event):
            event()
        else:
            yield event


async def recorded(run, *events, resumed=True):
    """Record events while holding the lock, and return what is passed on."""
    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock, resumed=resumed).record(stream(*events))) as passed:
            return [event async for event in passed]


def read(run):
    return list(runs.read_events(run.events))


def summary(run):
    return json.loads(run.summary.read_text())


def snapshot(run):
    """All that a run's folder holds, but for the lock."""
    paths = [path for path in sorted(run.path.rglob("*")) if path != run.lock]
    return [(path, path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in paths]


# Before RunStarted

ENDS = {
    "an error": [CifarError("no images")],
    "an error that is told first": [finished("failed", 0, error="no images"), CifarError("no images")],
    "a stop": [finished("stopped", 0)],
    "nothing": [],
}
CONTENTS = {"whole": WHOLE, "torn": WHOLE[:-10], "torn before the checkpoint": WHOLE[: CUT - 10], "empty": b""}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_training_that_ends_before_it_goes_on_leaves_everything_as_it_was(run, content, end):
    run.events.write_bytes(content)
    before = snapshot(run)
    samples = [SystemSampled(time=1.0)] * 2_000
    with contextlib.suppress(CifarError):
        assert await recorded(run, PREPARING, FELL_BACK, *samples, *end) == [PREPARING, FELL_BACK, *samples, *end]
    assert snapshot(run) == before


async def test_a_consumer_that_leaves_before_it_goes_on_leaves_everything_as_it_was(run):
    run.events.write_bytes(WHOLE)
    before = snapshot(run)
    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock, resumed=True).record(stream(PREPARING, GOING_ON))) as passed:
            assert await anext(passed) == PREPARING
    assert snapshot(run) == before


async def test_a_run_that_does_not_go_on_from_its_own_checkpoint_begins_its_record_anew(run):
    run.events.write_bytes(WHOLE)
    before = snapshot(run)
    with pytest.raises(CifarError, match="no images"):
        await recorded(run, PREPARING, CifarError("no images"), resumed=False)
    assert snapshot(run) == before
    events = [PREPARING, run_started(), step(1)]
    assert await recorded(run, *events, resumed=False) == events
    assert read(run) == events


# From RunStarted on


async def test_the_record_is_cut_at_the_checkpoint_that_training_goes_on_from(run):
    run.events.write_bytes(WHOLE)
    events = [PREPARING, FELL_BACK, GOING_ON, *steps(5, 9), finished("completed", 9)]
    assert await recorded(run, *events) == events
    assert read(run) == [*KEPT, *events]


async def test_of_several_checkpoints_the_one_that_is_named_counts(run):
    run.events.write_bytes(lines(*KEPT, saved(4), step(5), begun(2, 5), saved(5), step(6), begun(3, 6), step(7)))
    await recorded(run, run_started(resumed_from_step=5, resumed_from_checkpoint=2), step(6))
    assert [event.step for event in read(run) if isinstance(event, StepCompleted)] == [1, 2, 3, 4, 5, 6]
    await recorded(run, GOING_ON, step(5))
    assert read(run) == [*KEPT, GOING_ON, step(5)]


async def test_the_record_is_cut_before_run_started_is_passed_on(run):
    run.events.write_bytes(WHOLE)
    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock, resumed=True).record(stream(PREPARING, GOING_ON))) as passed:
            assert await anext(passed) == PREPARING
            assert run.events.read_bytes() == WHOLE
            assert await anext(passed) == GOING_ON
            assert run.events.read_bytes() == lines(*KEPT, PREPARING, GOING_ON)
            assert (summary(run)["state"], summary(run)["steps"], summary(run)["pid"]) == ("running", 4, os.getpid())


async def test_where_the_events_begin_is_known_from_run_started_on(run):
    run.events.write_bytes(WHOLE)
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock, resumed=True)
        seen = [recorder.begins_at]
        async with aclosing(recorder.record(stream(PREPARING, GOING_ON, step(5)))) as passed:
            async for _ in passed:
                seen.append(recorder.begins_at)
        assert seen == [None, None, CUT, CUT]
    assert run.events.read_bytes()[CUT:] == lines(PREPARING, GOING_ON, step(5))


async def test_a_record_that_is_empty_begins_at_its_start(run):
    with runs.locked(run) as lock:
        recorder = runs.Recorder(run, lock)
        async with aclosing(recorder.record(stream(PREPARING))) as passed:
            assert await anext(passed) == PREPARING
            assert recorder.begins_at == 0
            assert read(run) == [PREPARING]


@pytest.mark.parametrize("length", [len(WHOLE) - 1, len(WHOLE) - 30, CUT + 1])
async def test_a_torn_last_line_is_no_part_of_the_record_that_goes_on(run, length):
    run.events.write_bytes(WHOLE[:length])
    await recorded(run, GOING_ON, step(5))
    assert read(run) == [*KEPT, GOING_ON, step(5)]


async def test_where_the_mark_itself_is_torn_the_record_goes_on_after_the_last_whole_line(run):
    run.events.write_bytes(lines(*KEPT)[:-1])
    await recorded(run, GOING_ON, step(5))
    assert read(run) == [*KEPT[:-1], GOING_ON, step(5)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(torn=st.integers(0, len(WHOLE)), made=st.integers(0, 5), again=st.integers(0, 300), more=st.integers(0, 5))
def test_however_often_and_wherever_a_record_is_torn_no_step_is_there_twice_and_none_is_missing_silently(
    run, torn, made, again, more
):
    run.events.write_bytes(WHOLE[:torn])
    asyncio.run(recorded(run, PREPARING, GOING_ON, *steps(5, 4 + made)))
    os.truncate(run.events, max(run.events.stat().st_size - again, 0))
    asyncio.run(recorded(run, GOING_ON, *steps(5, 4 + more)))
    events = read(run)
    made_steps = [event.step for event in events if isinstance(event, StepCompleted)]
    warned = any(isinstance(event, Warned) for event in events)
    assert made_steps == sorted(set(made_steps))
    assert set(range(5, 5 + more)) <= set(made_steps) <= set(range(1, 5 + more))
    assert warned or made_steps == list(range(1, 5 + more))


# What the record lacks


@pytest.mark.parametrize(
    ("content", "lacks"),
    [
        (b"", "1 to 4"),
        (lines(run_started()), "1 to 4"),
        (lines(run_started(), *steps(1, 2)), "3 to 4"),
        (lines(run_started(), *steps(1, 3)) + lines(step(4))[:-1], "4 to 4"),
        (lines(run_started(), *steps(1, 3), begun(1, 4), *steps(5, 6)), "4 to 4"),
        (lines(run_started(), *steps(5, 6)), "1 to 4"),
        (None, "1 to 4"),
    ],
)
async def test_steps_that_the_record_lacks_are_warned_of_and_the_warning_is_recorded(run, content, lacks):
    if content is None:
        run.events.unlink()
    else:
        run.events.write_bytes(content)
    began, warned, went_on = await recorded(run, GOING_ON, step(5))
    assert (began, went_on) == (GOING_ON, step(5))
    assert (warned.code, warned.message) == ("history-incomplete", f"{run.events} lacks the steps {lacks}")
    assert read(run)[-3:] == [began, warned, went_on]


@pytest.mark.parametrize("content", [WHOLE, lines(*KEPT[:-1]), lines(*KEPT[:-1], *LATER)])
async def test_a_record_with_all_steps_is_not_warned_of(run, content):
    run.events.write_bytes(content)
    assert await recorded(run, GOING_ON, step(5)) == [GOING_ON, step(5)]


async def test_a_checkpoint_before_the_first_step_needs_no_step_in_the_record(run):
    run.events.write_bytes(lines(run_started(), begun(1, 0), saved(0), step(1)))
    events = [run_started(resumed_from_step=0, resumed_from_checkpoint=1), step(1)]
    assert await recorded(run, *events) == events
    assert read(run) == [run_started(), begun(1, 0), *events]


FORKED = [run_started(resumed_from_step=4, resumed_from_checkpoint=1), begun(2, 4)]


async def test_a_fork_whose_record_begins_after_its_parents_steps_lacks_none_of_them(run):
    run = runs.create(Config(name="fork"), run.path.parent, command=["x"], parent=run)
    await recorded(run, *FORKED, saved(4), step(5), resumed=False)
    events = [run_started(resumed_from_step=4, resumed_from_checkpoint=2), step(5)]
    assert await recorded(run, *events) == events


async def test_a_fork_goes_on_after_its_own_steps(run):
    await recorded(run, *FORKED, saved(4), step(5), begun(3, 5), step(6), resumed=False)
    events = [run_started(resumed_from_step=5, resumed_from_checkpoint=3), step(6)]
    assert await recorded(run, *events) == events
    assert read(run) == [*FORKED, saved(4), step(5), begun(3, 5), *events]


# What must outlive a power failure


@pytest.fixture
def synced(run, monkeypatch):
    """What the event file held, each time that it was made durable; ``fail`` makes that fail."""

    class Synced(list):
        fail = False

    contents, fsync = Synced(), os.fsync

    def watched(descriptor):
        if os.path.samestat(os.fstat(descriptor), run.events.stat()):
            if contents.fail:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            contents.append(run.events.read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(recording.os, "fsync", watched)
    return contents


@pytest.mark.parametrize("resumed", [True, False])
async def test_all_before_a_checkpoint_is_durable_before_it_is_passed_on_and_so_is_the_end(run, synced, resumed):
    events = [run_started(), *steps(1, 3), begun(1, 3), saved(3), step(4), finished("completed", 4)]
    durable = []
    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock, resumed=resumed).record(stream(*events))) as passed:
            async for _ in passed:
                durable.append(len(synced))
    assert durable == [0, 0, 0, 0, 1, 1, 1, 2]
    assert synced == [lines(*events[:5]), lines(*events)]


@pytest.mark.parametrize("event", [begun(1, 4), finished("completed", 4)])
async def test_a_disk_that_fails_to_keep_a_record_ends_the_training_with_a_sentence(run, synced, event):
    synced.fail = True
    with pytest.raises(runs.RunFolderError) as told:
        await recorded(run, run_started(), step(4), event, step(5), resumed=False)
    assert str(told.value) == (
        f"{run.events}: the run cannot be recorded: Input/output error; free some space, or choose another folder "
        "with --runs-dir or CIFAR_TUI_RUNS"
    )
    assert read(run) == [run_started(), step(4), event]


async def test_a_disk_that_fails_to_keep_a_checkpoints_events_is_told_in_the_summary(run, synced):
    synced.fail = True
    with pytest.raises(runs.RunFolderError):
        await recorded(run, run_started(), step(4), begun(1, 4), resumed=False)
    assert summary(run)["state"] == "failed"
    assert "Input/output error" in summary(run)["error"]


async def test_a_slow_disk_does_not_hold_up_the_event_loop(run, monkeypatch):
    went_on, fsync = threading.Event(), os.fsync

    def slow(descriptor):
        assert went_on.wait(30), "the event loop waits for the disk"
        fsync(descriptor)

    monkeypatch.setattr(recording.os, "fsync", slow)
    recording_it = asyncio.create_task(recorded(run, run_started(), begun(1, 0), resumed=False))
    asyncio.get_running_loop().call_later(0.05, went_on.set)
    await recording_it


@pytest.mark.parametrize("call", ["ftruncate", "lseek", "fstat"])
async def test_a_record_that_cannot_be_cut_is_told_in_a_sentence_and_no_line_of_it_is_lost(run, monkeypatch, call):
    real, fstat, events = getattr(os, call), os.fstat, run.events.stat()

    def fail(descriptor, *arguments):
        if os.path.samestat(fstat(descriptor), events):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, *arguments)

    run.events.write_bytes(lines(*KEPT))
    before = summary(run)
    monkeypatch.setattr(recording.os, call, fail)
    with pytest.raises(runs.RunFolderError, match=r"events\.jsonl: the run cannot be recorded: Input/output error; "):
        await recorded(run, GOING_ON)
    assert read(run) == KEPT
    assert summary(run) == before


# A lock that is lost


async def taken_over(run, *events, resumed):
    """Record the events; where None stands among them, the lock is lost, as its heartbeat would find out."""
    with runs.locked(run) as lock:

        def lose():
            lock.lost = "process 4711 on elsewhere has taken the run over"

        source = stream(*(lose if event is None else event for event in events))
        async with aclosing(runs.Recorder(run, lock, resumed=resumed).record(source)) as passed:
            async for _ in passed:
                pass


@pytest.mark.parametrize("event", [evaluated(), begun(1, 1), finished("completed", 1)])
async def test_a_lock_that_was_lost_ends_the_training_before_anything_more_is_written(run, event):
    with pytest.raises(runs.RunFolderError, match="4711 on elsewhere has taken the run over"):
        await taken_over(run, run_started(), None, step(1), event, step(2), resumed=False)
    assert read(run) == [run_started()]
    assert summary(run)["state"] == "running"


async def test_a_record_that_another_process_has_taken_over_is_not_cut(run):
    run.events.write_bytes(WHOLE)
    before = snapshot(run)
    with pytest.raises(runs.RunFolderError, match="4711 on elsewhere has taken the run over"):
        await taken_over(run, PREPARING, None, GOING_ON, resumed=True)
    assert snapshot(run) == before


async def test_the_summary_of_a_run_that_another_process_has_taken_over_is_left_to_it(run):
    with pytest.raises(CifarError):
        await taken_over(run, run_started(), None, CifarError("no more memory"), resumed=False)
    assert summary(run)["state"] == "running"


# The summary


async def test_the_summary_says_when_a_training_is_paused(run):
    states = []
    events = [run_started(), Paused(time=1.0, epoch=1, step=0), Resumed(time=1.0, epoch=1, step=0), step(1)]
    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock).record(stream(*events))) as passed:
            async for _ in passed:
                states.append(summary(run)["state"])
    assert states == ["running", "paused", "running", "running"]
    assert summary(run)["state"] == "stopped"


async def test_the_summary_of_a_run_that_goes_on_forgets_how_it_had_ended(run):
    events = [*KEPT, saved(4), finished("failed", 4, error="no more memory")]
    await recorded(run, *events, resumed=False)
    assert (summary(run)["state"], summary(run)["error"], summary(run)["finished"]) == ("failed", "no more memory", 9.0)
    seen = []
    await recorded(run, GOING_ON, lambda: seen.append(summary(run)), step(5), finished("completed", 5))
    assert (seen[0]["state"], seen[0]["error"], seen[0]["finished"], seen[0]["steps"]) == ("running", None, None, 4)
    assert (summary(run)["state"], summary(run)["steps"]) == ("completed", 5)


FIRST, SECOND = (
    epoch_completed(epoch=epoch, step=2 * epoch, training_seconds=10.0, evaluation_seconds=1.0, data_seconds=1.0)
    for epoch in (1, 2)
)
BEST = evaluated(step=4, split="val", top1=0.9)
TWO_EPOCHS = [run_started(steps_per_epoch=2), *steps(1, 2), FIRST, begun(1, 2), saved(2), *steps(3, 4), BEST, SECOND]
FROM_THE_FIRST = run_started(steps_per_epoch=2, resumed_from_step=2, resumed_from_checkpoint=1)


@pytest.mark.parametrize("field", ["epochs", "best_top1", "training_seconds", "evaluation_seconds", "data_seconds"])
async def test_the_summary_of_a_run_that_goes_on_knows_only_what_came_before_the_checkpoint(run, field):
    await recorded(run, *TWO_EPOCHS, resumed=False)
    seen = []
    await recorded(run, FROM_THE_FIRST, lambda: seen.append(summary(run)), *steps(3, 4), BEST, SECOND)
    known = {
        "epochs": 1,
        "best_top1": None,
        "training_seconds": 10.0,
        "evaluation_seconds": 1.0,
        "data_seconds": 1.0,
    }
    assert seen[0][field] == known[field]


async def test_the_summary_of_a_run_that_went_on_and_was_stopped_counts_no_epoch_that_was_taken_back(run):
    await recorded(run, *TWO_EPOCHS, resumed=False)
    await recorded(run, FROM_THE_FIRST, step(3), finished("stopped", 3))
    assert (summary(run)["steps"], summary(run)["epochs"]) == (3, 1)


async def test_the_summary_of_a_run_that_begins_anew_knows_nothing_of_the_earlier_beginning(run):
    await recorded(run, *TWO_EPOCHS, evaluated(step=4, split="test"), resumed=False)
    await recorded(run, run_started(), step(1), resumed=False)
    told = summary(run)
    assert (told["steps"], told["epochs"], told["training_seconds"]) == (1, 0, 0.0)
    assert (told["best_top1"], told["final_top1"], told["final_loss"]) == (None, None, None)


async def test_the_summary_of_a_run_that_went_on_has_the_figures_that_its_end_tells(run):
    await recorded(run, *TWO_EPOCHS, resumed=False)
    end = finished("completed", 4, training_seconds=25.0, best_top1=0.7, final_top1=0.6, final_loss=0.5)
    await recorded(run, FROM_THE_FIRST, *steps(3, 4), SECOND, end)
    told = summary(run)
    assert (told["steps"], told["epochs"], told["training_seconds"]) == (4, 2, 25.0)
    assert (told["best_top1"], told["final_top1"], told["final_loss"]) == (0.7, 0.6, 0.5)


async def test_the_summary_of_a_run_that_went_on_has_each_accuracy_once(run):
    def measured(number):
        return evaluated(step=number, split="val", top1=number / 1000)

    first = [event for number in range(1, 71) for event in (step(number), measured(number))]
    again = [event for number in range(67, 141) for event in (step(number), measured(number))]
    await recorded(run, run_started(), *first[:132], begun(1, 66), saved(66), *first[132:], resumed=False)
    seen = []
    going_on = run_started(resumed_from_step=66, resumed_from_checkpoint=1)
    await recorded(run, going_on, lambda: seen.append(summary(run)), *again, finished("completed", 140))
    assert (seen[0]["accuracies"], seen[0]["evaluations"]) == ([number / 1000 for number in range(1, 67, 2)], 66)
    assert summary(run)["accuracies"] == [number / 1000 for number in range(1, 141, 4)]
