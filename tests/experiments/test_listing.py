"""What a list says of a run is true now, however its process ended; and a run that is removed is gone."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

import msgspec
import pytest
from samples import run_started

from cifar_core.config import Config
from cifar_core.events import Paused, Preparing, RunFinished, StepCompleted, to_json
from cifar_experiments import runs
from cifar_experiments.runs import listing
from cifar_experiments.runs.lock import holder
from cifar_experiments.runs.summary import to_bytes

NOBODY = 2**31 - 1
"""A pid that no process has."""


@pytest.fixture
def make(tmp_path):
    """Make a run whose process has left some events, and a summary with changes."""

    def made(*events, torn=b"", **changes):
        run = runs.create(Config(name="mine"), tmp_path / "runs", command=["cifar-tui", "mine"])
        run.events.write_bytes(b"".join(to_json(event) + b"\n" for event in events) + torn)
        said = msgspec.structs.replace(runs.read_summary(run.summary), pid=NOBODY, host="before", **changes)
        run.summary.write_bytes(to_bytes(said))
        return run

    return made


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def steps(first, last):
    return [step(number) for number in range(first, last + 1)]


def finished(reason, after):
    seconds = {"training_seconds": 1.0, "evaluation_seconds": 1.0, "data_seconds": 1.0, "paused_seconds": 1.0}
    return RunFinished(time=9.0, reason=reason, epoch=1, step=after, **seconds)


PAUSED = Paused(time=1.0, epoch=1, step=2)
PREPARING = Preparing(time=1.0, phase="decode", subject="images")


# What is true of a run now


def test_a_run_that_was_made_and_never_begun_is_created(make):
    run = make()
    assert runs.current(run) == runs.read_summary(run.summary)
    assert runs.current(run).state == "created"


@pytest.mark.parametrize("said", ["created", "running", "stopped", "failed", "completed"])
@pytest.mark.parametrize("events", [[], [PREPARING], [run_started(), step(1)], [finished("stopped", 0)]])
def test_a_run_that_a_process_works_on_is_running_whatever_was_left_of_it(make, said, events):
    run = make(*events, state=said)
    with runs.locked(run):
        now = runs.current(run)
    assert (now.state, now.pid, now.host) == ("running", os.getpid(), socket.gethostname())


def test_a_run_whose_process_waits_is_paused(make):
    run = make(run_started(), *steps(1, 2), PAUSED, state="paused")
    said = msgspec.structs.replace(runs.read_summary(run.summary), pid=os.getpid(), host=socket.gethostname())
    run.summary.write_bytes(to_bytes(said))
    with runs.locked(run):
        assert runs.current(run).state == "paused"


def test_a_run_that_was_killed_in_a_pause_and_is_about_to_go_on_is_not_paused(make):
    run = make(run_started(), *steps(1, 2), PAUSED, state="paused")
    with runs.locked(run):
        assert runs.current(run).state == "running"


@pytest.mark.parametrize("state", ["completed", "stopped", "diverged", "failed"])
def test_a_run_that_said_how_it_ended_ended_so(make, state):
    run = make(run_started(), *steps(1, 3), finished(state, 3), state=state, steps=3)
    assert runs.current(run) == runs.read_summary(run.summary)


@pytest.mark.parametrize("said", ["running", "paused"])
@pytest.mark.parametrize("last", [[step(3)], [PAUSED], [PREPARING]])
def test_a_run_that_nobody_works_on_and_that_did_not_say_how_it_ended_has_crashed(make, said, last):
    assert runs.current(make(run_started(), *steps(1, 2), *last, state=said)).state == "crashed"


def test_a_run_that_was_killed_while_it_went_on_has_crashed(make):
    went_on = run_started(resumed_from_step=3, resumed_from_checkpoint=1)
    run = make(run_started(), *steps(1, 3), finished("stopped", 3), went_on, step(4), state="running")
    assert (runs.current(run).state, runs.current(run).steps) == ("crashed", 4)


def test_a_run_that_was_killed_while_it_was_made_ready_has_crashed(make):
    assert runs.current(make(PREPARING, state="created")).state == "crashed"


def test_a_run_whose_record_a_killed_beginning_has_emptied_has_crashed(make):
    run = make(state="running", steps=7)
    assert (runs.current(run).state, runs.current(run).steps) == ("crashed", 7)


@pytest.mark.parametrize("reason", ["completed", "stopped", "diverged", "failed"])
def test_a_run_that_was_killed_between_its_last_event_and_its_last_summary_ended_as_the_event_says(make, reason):
    run = make(run_started(), *steps(1, 3), finished(reason, 3), state="running", steps=1)
    assert (runs.current(run).state, runs.current(run).steps) == (reason, 3)


def test_an_end_whose_line_is_torn_was_not_said(make):
    torn = to_json(finished("completed", 3))
    assert runs.current(make(run_started(), *steps(1, 3), torn=torn, state="running")).state == "crashed"


@pytest.mark.parametrize("working", [True, False])
def test_the_steps_of_a_run_without_an_end_are_those_of_its_newest_events(make, working):
    run = make(run_started(), *steps(1, 3_000), torn=to_json(step(3_001)), state="running", steps=12)
    assert runs.current(run).steps == 3_000
    if working:
        with runs.locked(run):
            assert runs.current(run).steps == 3_000


def test_what_a_summary_says_besides_is_kept(make):
    run = make(run_started(), step(1), state="running", best_top1=0.5, epochs=3, error="odd")
    told = runs.current(run)
    assert (told.best_top1, told.epochs, told.error, told.pid, told.host) == (0.5, 3, "odd", NOBODY, "before")


def test_to_look_at_a_run_changes_nothing(make):
    run = make(run_started(), step(1), torn=b"{", state="running")
    before = [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(run.path.iterdir())]
    runs.current(run)
    assert [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(run.path.iterdir())] == before


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[" * 100_000])
def test_a_run_without_a_summary_is_told_in_a_sentence(make, content):
    run = make()
    run.summary.unlink()
    if content is not None:
        run.summary.write_bytes(content)
    with pytest.raises(runs.RunFolderError, match=r"summary\.json: (cannot be read|is no summary)") as told:
        runs.current(run)
    assert str(told.value).isprintable()


# Removing


def filled(run):
    """Put into a run's folder all that a run has."""
    run.checkpoints.mkdir()
    (run.checkpoints / "last.json").write_text("{}")
    run.log.write_text("words")
    run.lock.touch()
    return run


def test_a_run_that_is_removed_is_gone_with_all_that_it_had_and_others_are_left_alone(make):
    other, run = filled(make()), filled(make(run_started(), state="running"))
    left = sorted(other.path.rglob("*"))
    runs.remove(run)
    assert list(run.path.parent.iterdir()) == [other.path]
    assert sorted(other.path.rglob("*")) == left


def test_a_run_that_a_process_works_on_is_not_removed(make):
    run = filled(make())
    with runs.locked(run):
        before = sorted(run.path.parent.rglob("*"))
        with pytest.raises(runs.RunLockedError, match=f"process {os.getpid()} on "):
            runs.remove(run)
        assert sorted(run.path.parent.rglob("*")) == before
        assert holder(run).pid == os.getpid()
    runs.remove(run)
    assert list(run.path.parent.iterdir()) == []


def test_what_links_in_a_run_lead_to_is_not_removed_with_it(make, tmp_path):
    run, elsewhere = filled(make()), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    (run.path / "folder").symlink_to(elsewhere)
    (run.checkpoints / "file").symlink_to(elsewhere / "precious")
    runs.remove(run)
    assert list(run.path.parent.iterdir()) == []
    assert (elsewhere / "precious").read_text() == "kept"


def test_a_run_that_is_a_link_leaves_nothing_out_of_sight(make, tmp_path):
    run = make()
    run.path.rename(tmp_path / "elsewhere")
    run.path.symlink_to(tmp_path / "elsewhere")
    with contextlib.suppress(runs.RunFolderError):  # to refuse it is as right as to remove it
        runs.remove(run)
    assert list(run.path.parent.glob(".removed-*")) == []


def test_a_run_that_is_gone_is_told_in_a_sentence(make):
    run = make()
    runs.remove(run)
    with pytest.raises(runs.RunFolderError, match="No such file or directory") as told:
        runs.remove(run)
    assert str(told.value).startswith(str(run.path))
    assert list(run.path.parent.iterdir()) == []


def test_a_run_that_cannot_be_removed_is_told_in_a_sentence_and_listed_no_more(make, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    run = filled(make())
    monkeypatch.setattr(listing.shutil, "rmtree", fail)
    with pytest.raises(runs.RunFolderError) as told:
        runs.remove(run)
    assert str(told.value) == f"{run.path}: cannot be removed: Input/output error"
    assert runs.in_folder(run.path.parent) == []


def test_a_run_that_cannot_be_renamed_is_left_as_it_was(make, monkeypatch):
    def fail(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    run = filled(make())
    before = sorted(run.path.parent.rglob("*"))
    monkeypatch.setattr(type(run.path), "rename", fail)
    with pytest.raises(runs.RunFolderError, match="cannot be removed: Read-only file system"):
        runs.remove(run)
    assert sorted(run.path.parent.rglob("*")) == before
    assert holder(run) is None
