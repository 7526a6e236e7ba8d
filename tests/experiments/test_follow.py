"""Whoever follows a run gets every line of it once and whole, those that are there and those that come."""

from __future__ import annotations

import os
import threading
import time

import pytest
from samples import run_started

from cifar_core.events import CheckpointStarted, Preparing, StepCompleted, Warned, to_json
from cifar_experiments.live import follow as module
from cifar_experiments.live.follow import follow
from cifar_experiments.runs import RunFolderError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The file is looked at often."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def lines(*events):
    return b"".join(to_json(event) + b"\n" for event in events)


def append(path, content):
    with path.open("ab") as file:
        file.write(content)


def doing(*acts):
    """Whether somebody writes who does one thing each time that is asked; after the last one, nobody does."""
    left = list(acts)

    def alive():
        if left:
            left.pop(0)()
        return bool(left)

    return alive


def nothing():
    """Do nothing."""


def whole(blocks):
    """All that comes in blocks, each of which holds whole lines."""
    came = list(blocks)
    assert all(block.endswith(b"\n") for block in came)
    return b"".join(came)


MARK = CheckpointStarted(time=1.0, epoch=1, step=2, number=1)
KEPT = lines(run_started(), step(1), step(2), MARK)
HISTORY = KEPT + lines(step(3), step(4), step(5), step(6))
GOING_ON = lines(run_started(time=200.0, resumed_from_step=2, resumed_from_checkpoint=1))


def test_what_is_there_comes_at_once_and_then_the_end(path):
    path.write_bytes(HISTORY)
    assert whole(follow(path, alive=doing())) == HISTORY


def test_of_an_empty_file_that_nobody_writes_nothing_comes(path):
    path.touch()
    assert whole(follow(path, alive=doing())) == b""


def test_history_comes_first_and_then_what_is_written(path):
    path.write_bytes(HISTORY)
    later = lines(*(step(number) for number in range(7, 400)))

    def write():
        for begin in range(0, len(later), 301):  # seldom a whole line
            append(path, later[begin : begin + 301])
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    ended = threading.Event()
    blocks = follow(path, alive=lambda: not ended.is_set() and (writer.is_alive() or not writer.ident))
    try:
        assert next(blocks) == HISTORY
        writer.start()
        assert whole(blocks) == later
    finally:
        ended.set()
        writer.join()


def test_lines_come_whole_however_they_are_written(path):
    path.touch()
    content = lines(step(1), Warned(time=1.0, code="fell-back", message="ä\n"), step(2))
    pieces = [content[begin : begin + 1] for begin in range(len(content))]
    blocks = list(follow(path, alive=doing(*(lambda piece=piece: append(path, piece) for piece in pieces))))
    assert blocks == content.splitlines(keepends=True)


@pytest.mark.parametrize("size", [1, 7, len(to_json(step(1))), 1_000])
def test_lines_come_whole_however_they_are_read(path, monkeypatch, size):
    monkeypatch.setattr(module, "_BLOCK", size)
    path.write_bytes(HISTORY)
    assert whole(follow(path, alive=doing())) == HISTORY


def test_a_torn_last_line_never_comes(path):
    path.write_bytes(HISTORY[:-1])
    assert whole(follow(path, alive=doing(nothing, nothing))) == HISTORY[: HISTORY.rfind(b"\n", 0, -1) + 1]


def test_what_is_written_just_before_the_end_comes(path):
    path.write_bytes(HISTORY)
    acts = [nothing, lambda: append(path, lines(step(7), step(8)))]
    assert whole(follow(path, alive=doing(*acts))) == HISTORY + lines(step(7), step(8))


@pytest.mark.parametrize("begin", [len(KEPT), len(HISTORY), 0])
def test_following_may_begin_within_the_file(path, begin):
    path.write_bytes(HISTORY)
    assert whole(follow(path, begin, alive=doing(lambda: append(path, GOING_ON)))) == HISTORY[begin:] + GOING_ON


def test_the_end_of_a_run_is_waited_for(path):
    path.write_bytes(HISTORY)
    asked = []

    def alive():
        asked.append(path)
        return len(asked) < 10

    assert whole(follow(path, alive=alive)) == HISTORY
    assert len(asked) == 10


# A run that goes on from a checkpoint while it is followed


def cut(path, kept, then=b""):
    """Take back what comes after ``kept``, and go on with ``then``."""

    def act():
        os.truncate(path, len(kept))
        append(path, then)

    return act


@pytest.mark.parametrize("first", [HISTORY, HISTORY[:-1], HISTORY[:-30]])
def test_a_run_that_goes_on_is_followed_from_where_it_says_so(path, first):
    path.write_bytes(first)
    acts = [nothing, cut(path, KEPT, GOING_ON), lambda: append(path, lines(step(3))), nothing]
    whole_first = first[: first.rfind(b"\n") + 1]
    assert whole(follow(path, alive=doing(*acts))) == whole_first + GOING_ON + lines(step(3))


def test_what_is_made_ready_before_a_run_goes_on_is_left_out(path):
    preparing = lines(Preparing(time=1.0, phase="decode", subject="images"))
    path.write_bytes(HISTORY * 2)
    acts = [nothing, cut(path, KEPT, preparing + GOING_ON + lines(step(3)))]
    assert whole(follow(path, alive=doing(*acts))) == HISTORY * 2 + GOING_ON + lines(step(3))


def test_a_run_that_begins_anew_is_followed_from_its_start(path):
    preparing = lines(Preparing(time=1.0, phase="decode", subject="images"))
    path.write_bytes(HISTORY)
    acts = [nothing, cut(path, b""), lambda: append(path, preparing), lambda: append(path, lines(run_started()))]
    assert whole(follow(path, alive=doing(*acts))) == HISTORY + preparing + lines(run_started())


def test_a_run_goes_on_as_often_as_it_likes(path):
    path.write_bytes(HISTORY)
    goings = [lines(run_started(time=t, resumed_from_step=2, resumed_from_checkpoint=1)) for t in (200.0, 300.0, 400.0)]
    first, second, third = (cut(path, KEPT, going) for going in goings)
    grown = lines(*(step(number) for number in range(3, 30)))
    acts = [nothing, first, lambda: append(path, grown), second, lambda: append(path, grown), third]
    assert whole(follow(path, alive=doing(*acts))) == HISTORY + grown.join(goings)


@pytest.mark.parametrize("number", range(3, 30))
def test_a_run_that_has_made_up_for_what_was_taken_back_is_followed_from_where_it_goes_on(path, number):
    path.write_bytes(HISTORY)
    grown = lines(*map(step, range(3, number)))
    acts = [nothing, cut(path, KEPT, GOING_ON + grown)]
    assert whole(follow(path, alive=doing(*acts))) == HISTORY + GOING_ON + grown


def test_a_run_that_stands_where_it_stood_with_a_line_of_the_same_length_is_followed_from_where_it_goes_on(path):
    first, length = HISTORY + lines(step(7), step(8), step(9)), len(lines(step(3)))
    going_on = GOING_ON.replace(b'"run_id":"r', b'"run_id":"r' + b"r" * (-len(GOING_ON) % length))
    grown = lines(*map(step, range(3, 9))).replace(b'"time":1.0', b'"time":2.0')
    assert (KEPT + going_on + grown)[: len(first)].endswith(b"\n")
    path.write_bytes(first)
    acts = [nothing, cut(path, KEPT, going_on + grown)]
    assert whole(follow(path, alive=doing(*acts))) == first + going_on + grown


@pytest.mark.parametrize("more", [b"", lines(step(3))])
def test_a_run_that_was_cut_before_following_began_is_followed_from_where_it_goes_on(path, more):
    path.write_bytes(KEPT + GOING_ON)
    acts = [nothing, lambda: append(path, more)]
    assert whole(follow(path, len(HISTORY + GOING_ON), alive=doing(*acts))) == GOING_ON + more


def test_a_run_that_is_cut_and_does_not_say_yet_that_it_goes_on_is_waited_for(path):
    path.write_bytes(HISTORY)
    acts = [nothing, cut(path, KEPT), lambda: append(path, GOING_ON + lines(step(3)))]
    assert whole(follow(path, alive=doing(*acts))) == HISTORY + GOING_ON + lines(step(3))


# What cannot be followed


def test_a_file_that_is_missing_is_told_in_a_sentence(tmp_path):
    with pytest.raises(RunFolderError) as told:
        next(follow(tmp_path / "\x1b", alive=doing(nothing)))
    assert str(told.value) == rf"{tmp_path}/\x1b: cannot be followed: No such file or directory"


def test_a_folder_is_told_in_a_sentence(tmp_path):
    with pytest.raises(RunFolderError, match="cannot be followed: Is a directory"):
        next(follow(tmp_path, alive=doing(nothing)))


def test_a_run_that_is_removed_while_it_is_followed_comes_to_its_end(path):
    path.write_bytes(HISTORY)
    assert whole(follow(path, alive=doing(nothing, path.unlink))) == HISTORY


def test_a_run_that_is_cut_and_removed_while_it_is_followed_is_told_in_a_sentence(path):
    path.write_bytes(HISTORY)

    def remove():
        os.truncate(path, 0)
        path.unlink()

    blocks = follow(path, alive=doing(nothing, remove))
    assert next(blocks) == HISTORY
    with pytest.raises(RunFolderError, match=r"events\.jsonl: cannot be followed: No such file or directory"):
        next(blocks)


def test_the_file_is_closed_when_whoever_follows_leaves(path):
    path.write_bytes(HISTORY)
    before = len(os.listdir("/dev/fd"))
    blocks = follow(path, alive=lambda: True)
    next(blocks)
    assert len(os.listdir("/dev/fd")) == before + 1
    blocks.close()
    assert len(os.listdir("/dev/fd")) == before
