"""A run's event file is read from its end, and cut where a checkpoint was begun, whatever has become of it."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import epoch_completed, evaluated, run_started

from cifar_core.events import CheckpointSaved, CheckpointStarted, Preparing, StepCompleted, Warned, to_json
from cifar_experiments.runs import RunFolderError, newest_events, read_events
from cifar_experiments.runs.events_file import end_of_checkpoint, newest_beginning, was_saved


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def begun(number, after):
    return CheckpointStarted(time=1.0, epoch=1, step=after, number=number)


def saved(after):
    return CheckpointSaved(time=1.0, epoch=1, step=after, best=False, path="/there", bytes=1, seconds=0.1)


def quoting(*events):
    """A warning whose message is the very lines of other events."""
    return Warned(time=1.0, code="fell-back", message=f"\n{lines(*events).decode()}")


def lines(*events):
    return b"".join(to_json(event) + b"\n" for event in events)


def found(path, number, after):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return end_of_checkpoint(descriptor, number, after)
    finally:
        os.close(descriptor)


def end(path, *events):
    """Write the lines of events, or what stands for some; return where the last one ends."""
    with path.open("ab") as file:
        for event in events:
            file.write(event if isinstance(event, bytes) else lines(event))
        return file.tell()


DAMAGED = [
    b"\n",
    b"{}\n",
    b"\xff\xfe\n",
    b"\0" * 100 + b"\n",
    b"[" * 10_000 + b"\n",
    b'{"type":"Later","time":1.0}\n',
    b'{"type":"CheckpointStarted","time":1.0}\n',
    b'{"type":"CheckpointStarted","later":' + b"[" * 10_000 + b"\n",
    b'{"type":"StepCompleted","later":' + b"[" * 10_000 + b"\n",
    b'{"type":"StepCompleted","time":1.0,"epoch":1,"step":"9"}\n',
    b'{"type":"StepComp' + lines(begun(1, 0)),
    b'{"type":"StepComp' + lines(step(99)),
]
FOREIGN = [b" " + lines(begun(1, 0)), b'{"time":1.0,' + lines(step(99)).replace(b'"time":1.0,', b"")[1:]]


# The newest events


def test_an_empty_file_has_no_newest_events(path):
    path.touch()
    assert newest_events(path) == []


def test_a_file_that_cannot_be_read_has_no_newest_events(path):
    assert newest_events(path) == []
    path.mkdir()
    assert newest_events(path) == []


def test_all_events_of_a_short_file_are_the_newest_wherever_it_is_torn(path):
    whole = lines(run_started(), step(1), begun(1, 1), quoting(step(2)), step(2))
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        assert newest_events(path) == list(read_events(path))


def test_of_a_long_file_the_newest_events_are_its_last_ones_and_none_is_half(path):
    events = [step(number) for number in range(1, 5_000)]
    # Wherever a line is cut by where reading begins.
    for padding in range(len(lines(step(1_000)))):
        path.write_bytes(lines(quoting()) + b"x" * padding + b"\n" + lines(*events))
        newest = newest_events(path)
        assert newest == events[-len(newest) :]
        assert 60_000 < len(lines(*newest)) <= 64 * 1024


def test_after_a_line_longer_than_what_is_read_the_newest_events_go_on(path):
    path.write_bytes(lines(step(1), evaluated(confusion=((1_000_000,) * 20_000,))))
    assert newest_events(path) == []
    end(path, step(2), step(3))
    assert newest_events(path) == [step(2), step(3)]


@pytest.mark.parametrize("damaged", DAMAGED, ids=range(len(DAMAGED)))
def test_lines_that_are_no_events_are_passed_over(path, damaged):
    end(path, damaged, step(1), damaged, damaged, step(2), damaged)
    assert newest_events(path) == [step(1), step(2)]


# What belongs to a checkpoint


def test_nothing_of_an_empty_file_belongs_to_a_checkpoint(path):
    path.touch()
    assert found(path, 1, 10) == (0, 0)


def test_what_belongs_to_a_checkpoint_ends_with_its_beginning(path):
    ends = [
        end(path, run_started(), begun(1, 0)),
        end(path, saved(0), step(1), step(2), begun(2, 2)),
        end(path, saved(2), evaluated(step=2), begun(3, 2)),
        end(path, step(3), begun(4, 3)),
    ]
    end(path, saved(3), step(4), epoch_completed(step=4))
    for index, (where, after) in enumerate(zip(ends, (0, 2, 2, 3), strict=True)):
        assert found(path, index + 1, after) == (where, after)


def test_the_beginning_of_a_checkpoint_counts_however_the_line_after_it_is_torn(path):
    where = end(path, step(1), begun(1, 1))
    later = lines(saved(1), step(2), begun(2, 2))
    for length in range(len(later)):
        os.truncate(path, where)
        end(path, later[:length])
        assert found(path, 1, 1) == (where, 1)


def test_a_checkpoint_whose_beginning_is_torn_ends_with_the_whole_line_before(path):
    where = end(path, step(1), step(2))
    mark = lines(begun(1, 2))
    for length in range(len(mark)):
        os.truncate(path, where)
        end(path, mark[:length])
        assert found(path, 1, 2) == (where, 2)


def test_text_like_a_checkpoint_or_a_step_within_another_event_is_not_taken_for_one(path):
    where = end(path, step(1), begun(1, 1))
    end(path, quoting(begun(1, 1), step(3)), step(2), quoting(begun(1, 1), begun(2, 1), step(3)))
    assert found(path, 1, 1) == (where, 1)
    assert found(path, 2, 2) == (path.stat().st_size, 2)


def test_where_the_beginning_of_a_checkpoint_is_missing_it_ends_before_the_first_later_step(path):
    where = end(path, run_started(), step(1), step(2), evaluated(step=2), saved(2))
    end(path, step(3), begun(2, 3), saved(3), step(4))
    assert found(path, 1, 2) == (where, 2)


def test_where_no_step_is_later_all_whole_lines_belong_to_a_checkpoint_without_its_beginning(path):
    where = end(path, run_started(), step(1), begun(1, 1), saved(1), step(2))
    end(path, lines(step(3))[:-1])
    assert found(path, 2, 10) == (where, 2)


def test_where_all_steps_are_later_only_what_comes_before_them_belongs_to_a_checkpoint(path):
    where = end(path, run_started(resumed_from_step=8))
    end(path, step(9), step(10))
    assert found(path, 3, 4) == (where, 0)


@pytest.mark.parametrize("damaged", DAMAGED + FOREIGN, ids=range(len(DAMAGED + FOREIGN)))
def test_damaged_lines_and_lines_of_others_are_no_hindrance_to_where_a_checkpoint_ends(path, damaged):
    where = end(path, damaged, step(1), damaged, begun(1, 1))
    end(path, damaged, saved(1), damaged, step(2), damaged)
    assert found(path, 1, 1) == (where, 1)
    assert found(path, 2, 2) == (path.stat().st_size, 2)


def test_the_end_of_a_file_far_larger_than_memory_is_found(path):
    path.touch()
    os.truncate(path, 1 << 40)  # of zeros, which take no room on a disk
    where = end(path, b"\n", step(7), begun(3, 7))
    end(path, step(8))
    assert found(path, 3, 7) == (where, 7)


def test_a_file_that_cannot_be_read_is_told_by_the_system(path):
    end(path, step(1))
    descriptor = os.open(path, os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            end_of_checkpoint(descriptor, 1, 1)
    finally:
        os.close(descriptor)


LOST_STEP, LOST_CHECKPOINT = b"", None
OTHERS = [
    run_started(),
    evaluated(),
    epoch_completed(),
    saved(1),
    Preparing(time=1.0, phase="decode", subject='{"type":"StepCompleted"'),
    quoting(begun(1, 1), begun(2, 3), step(1), step(50)),
]
TOLD = st.sampled_from([StepCompleted, StepCompleted, CheckpointStarted, LOST_STEP, LOST_CHECKPOINT])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(TOLD | st.sampled_from([*OTHERS, *DAMAGED, *FOREIGN]), max_size=30), data=st.data())
def test_of_any_file_torn_anywhere_just_what_belongs_to_the_checkpoint_is_found(story, data, path):
    whole, steps, holds, step_lines, mark_ends = b"", 0, [], [], {}
    for part in story:
        steps += part in (StepCompleted, LOST_STEP)
        holds += [steps] * (part in (CheckpointStarted, LOST_CHECKPOINT))
        if part is StepCompleted:
            step_lines.append((len(whole), steps))
            whole += lines(step(steps))
        elif part is CheckpointStarted:
            whole += lines(begun(len(holds), steps))
            mark_ends[len(holds)] = len(whole)
        elif part is not LOST_CHECKPOINT:
            whole += part if isinstance(part, bytes) else lines(part)
    number = data.draw(st.integers(1, len(holds) + 1), label="number")
    asked = [*holds, steps][number - 1]
    torn = whole[: data.draw(st.integers(0, len(whole)), label="length")]
    path.write_bytes(torn)

    kept, last = found(path, number, asked)

    whole_lines = torn.rfind(b"\n") + 1
    if mark_ends.get(number, len(torn) + 1) <= len(torn):
        assert kept == mark_ends[number]
    else:
        assert kept == min([whole_lines, *(begin for begin, of in step_lines if of > asked)])
    inside = [of for begin, of in step_lines if begin < kept]
    assert last == max(inside, default=0) <= asked
    assert torn[:kept].endswith(b"\n") or kept == 0


# The newest beginning


def test_a_file_without_a_beginning_begins_at_its_start(path):
    path.touch()
    assert newest_beginning(path) == 0
    end(path, quoting(run_started()), step(1), lines(run_started())[:-1])
    assert newest_beginning(path) == 0


def test_the_newest_beginning_is_the_last_whole_one(path):
    where = end(path, run_started(), step(1), begun(1, 1))
    end(path, run_started(resumed_from_step=1), step(2), quoting(run_started()), lines(run_started())[:-1])
    assert newest_beginning(path) == where


def test_a_file_that_is_missing_has_no_beginning(path):
    with pytest.raises(FileNotFoundError):
        newest_beginning(path)


# Whether a checkpoint was saved


def test_a_checkpoint_was_saved_only_where_an_event_says_so(path):
    path.touch()
    assert not was_saved(path)
    end(path, run_started(), begun(1, 1), quoting(saved(1)), step(1))
    assert not was_saved(path)
    where = end(path, saved(1))
    end(path, step(2), begun(2, 2))
    assert was_saved(path)
    os.truncate(path, where - 1)
    assert not was_saved(path)


def test_whether_a_checkpoint_was_saved_cannot_be_told_without_the_file(tmp_path):
    with pytest.raises(RunFolderError) as told:
        was_saved(tmp_path / "a\x1b\n")
    assert str(told.value) == f"{tmp_path}/a\\x1b\\n: cannot be read: No such file or directory"
