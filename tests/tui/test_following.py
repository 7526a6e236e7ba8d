"""A run of another process is followed to its end, whatever that is."""

import shutil
import time

import pytest
from samples import epoch_completed, run_started

from cifar_core.events import to_json
from cifar_experiments import presets, runs
from cifar_experiments.live.client import NotControllableError
from cifar_experiments.live.protocol import Pause
from cifar_tui import following
from cifar_tui.following import Following
from cifar_tui.watched import Record

PATIENCE = 30


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def run(tmp_path):
    return runs.create(presets.compose("quickstart").config, tmp_path / "runs", command=["cifar-tui"])


@pytest.fixture
def follow():
    opened = []

    def begin(run):
        opened.append(Following(run))
        return opened[-1]

    yield begin
    for each in opened:
        each.leave()
        each._thread.join(PATIENCE)
        assert not each._thread.is_alive()


def append(run, *events):
    with run.events.open("ab") as file:
        file.write(b"".join(to_json(event) + b"\n" for event in events))


def test_what_happened_and_what_happens_is_seen_until_the_process_is_gone(run, follow):
    append(run, run_started())
    with runs.locked(run):
        followed = follow(run)
        until(lambda: followed.status == "running")
        append(run, epoch_completed())
        until(lambda: followed.record._history.epochs)
        assert not followed.ended
    until(lambda: followed.ended)
    assert (followed.status, followed.error) == ("crashed", None)


def test_a_folder_that_is_deleted_meanwhile_is_one_sentence(run, follow):
    append(run, run_started())
    with runs.locked(run):
        followed = follow(run)
        until(lambda: followed.status == "running")
        shutil.rmtree(run.path)
        until(lambda: followed.ended)
    assert followed.status == "gone"
    assert followed.error == f"{run.path} is no longer there: it was removed, or moved"


def test_a_folder_that_is_not_there_is_one_sentence(run, follow):
    shutil.rmtree(run.path)
    followed = follow(run)
    until(lambda: followed.ended)
    assert "is no longer there" in followed.error or "cannot be followed" in followed.error


@pytest.mark.parametrize("line", [b"no json", b'{"type":"Unheard"}', b"[" * 5000, b"\x1b[31m\xff"])
def test_a_line_that_is_no_event_is_one_printable_sentence(line, run, follow):
    append(run, run_started())
    with run.events.open("ab") as file:
        file.write(line + b"\n")
    followed = follow(run)
    until(lambda: followed.ended)
    assert "is no event" in followed.error
    assert followed.error.isprintable()


def test_an_event_that_cannot_be_shown_is_a_sentence_too(run, follow, monkeypatch):
    def refuse(*_):
        raise IndexError("a class that there is none of")

    monkeypatch.setattr(Record, "apply", refuse)
    append(run, run_started())
    followed = follow(run)
    until(lambda: followed.ended)
    assert "cannot be shown: IndexError: a class that there is none of" in followed.error


def test_who_leaves_follows_no_longer(run, follow, monkeypatch):
    monkeypatch.setattr(following, "_AT_A_TIME", 1)
    append(run, run_started())
    with runs.locked(run):
        followed = follow(run)
        until(lambda: followed.status == "running")
        followed.leave()
        until(lambda: followed.ended)
    assert followed.error is None


async def test_a_run_that_nobody_works_on_refuses_requests(run, follow):
    with pytest.raises(NotControllableError, match="is not running here"):
        await follow(run).ask(Pause())
