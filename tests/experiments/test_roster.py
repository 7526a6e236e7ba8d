"""A list of runs that is looked at again and again is true each time, and reads only what may have changed."""

from __future__ import annotations

import shutil

import msgspec
import pytest
from samples import evaluated, run_started

from cifar_core.config import Config
from cifar_core.events import RunFinished, StepCompleted, to_json
from cifar_experiments import runs
from cifar_experiments.atomic import replace_file
from cifar_experiments.runs import roster
from cifar_experiments.runs.roster import Entry, Roster
from cifar_experiments.runs.summary import to_bytes

NOBODY = 2**31 - 1
"""A pid that no process has."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def make(folder, monkeypatch):
    """Make a run whose process is gone, each a second later than the one before."""
    now = [1_795_247_310.0]
    monkeypatch.setattr("cifar_experiments.runs.folder.time.time", lambda: now[0])

    def made(state="completed", **changes):
        run = runs.create(Config(name="mine"), folder, command=["cifar-tui", "mine"])
        now[0] += 1
        say(run, state=state, pid=NOBODY, host="before", **changes)
        return run

    return made


@pytest.fixture
def readings(monkeypatch):
    """The runs that were read, in order."""
    read = []
    current = roster.current

    def counted(run):
        read.append(run.id)
        return current(run)

    monkeypatch.setattr(roster, "current", counted)
    return read


def say(run, **changes):
    """Replace a run's summary, as its process does."""
    replace_file(
        run.summary, to_bytes(msgspec.structs.replace(runs.read_summary(run.summary), **changes)), durable=False
    )


def step(number):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=2.0, accuracy=0.1, learning_rate=0.1)


def write(run, *events):
    with run.events.open("ab") as file:
        file.writelines(to_json(event) + b"\n" for event in events)


def states(listed):
    return [entry.summary.state for entry in listed]


def test_a_folder_that_is_missing_holds_no_runs(folder):
    assert Roster(folder).refresh() == []


def test_a_folder_that_cannot_be_read_is_told_in_a_sentence(tmp_path):
    (tmp_path / "a\x1bfile").write_text("")
    with pytest.raises(runs.RunFolderError, match="cannot be read: Not a directory") as told:
        Roster(tmp_path / "a\x1bfile").refresh()
    assert str(told.value).isprintable()


def test_runs_are_kept_where_the_environment_says(folder, make, monkeypatch):
    run = make()
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(folder))
    assert [entry.run for entry in Roster().refresh()] == [run]


def test_the_newest_run_comes_first_with_what_is_true_of_it(folder, make):
    older, newer = make("stopped", best_top1=0.5), make("running")
    assert Roster(folder).refresh() == [Entry(run, runs.current(run), None) for run in (newer, older)]
    assert states(Roster(folder).refresh()) == ["crashed", "stopped"]


def test_what_is_no_run_is_left_out(folder, make):
    run = make()
    (folder / "file").write_text("")
    (folder / "folder").mkdir()
    shutil.copytree(run.path, folder / ".removed-1")
    shutil.copytree(run.path, folder / "half")
    (folder / "half" / "config.toml").unlink()
    assert [entry.run for entry in Roster(folder).refresh()] == [run]


def test_runs_whose_processes_have_ended_are_read_once(folder, make, readings):
    made = [make(state) for state in ("created", "completed", "stopped", "diverged", "failed", "running", "paused")]
    known = Roster(folder)
    first = known.refresh()
    assert sorted(readings) == [run.id for run in made]
    assert known.refresh() == first == known.refresh()
    assert len(readings) == len(made)


def test_a_run_is_read_again_when_its_summary_is_another(folder, make, readings):
    other, run = make(), make("stopped")
    known = Roster(folder)
    known.refresh()
    say(run, state="completed", steps=7)
    assert [(entry.summary.state, entry.summary.steps) for entry in known.refresh()] == [
        ("completed", 7),
        ("completed", 0),
    ]
    assert readings == [run.id, other.id, run.id]


def test_a_summary_that_only_looks_the_same_by_size_is_read_again(folder, make):
    run = make("stopped", best_top1=0.25)
    known = Roster(folder)
    known.refresh()
    say(run, best_top1=0.75)
    assert known.refresh()[0].summary.best_top1 == 0.75


def test_a_run_that_a_process_works_on_is_read_each_time(folder, make, readings):
    run = make("stopped")
    known = Roster(folder)
    assert states(known.refresh()) == ["stopped"]
    with runs.locked(run):
        assert states(known.refresh()) == states(known.refresh()) == ["running"]
        write(run, run_started(), step(1))
        assert known.refresh()[0].summary.steps == 1
    assert states(known.refresh()) == ["stopped"]
    assert len(readings) == 5
    known.refresh()
    assert len(readings) == 5


def test_the_death_of_a_process_leaves_no_trace_and_is_seen(folder, make, monkeypatch):
    run = make("running")
    with runs.locked(run):
        line = run.lock.read_bytes()
    run.lock.write_bytes(line)
    known = Roster(folder)
    assert states(known.refresh()) == ["running"]
    monkeypatch.setattr("cifar_experiments.runs.lock._started", lambda _pid: None)
    assert states(known.refresh()) == ["crashed"]


def test_a_run_that_was_killed_is_read_again_when_there_are_later_events(folder, make):
    run = make("running")
    write(run, run_started(), step(1))
    known = Roster(folder)
    assert states(known.refresh()) == ["crashed"]
    seconds = {"training_seconds": 1.0, "evaluation_seconds": 1.0, "data_seconds": 1.0, "paused_seconds": 1.0}
    write(run, RunFinished(time=9.0, reason="completed", epoch=1, step=2, **seconds))
    assert states(known.refresh()) == ["completed"]


def test_a_new_run_is_seen_and_one_that_is_removed_is_gone(folder, make):
    first = make()
    known = Roster(folder)
    known.refresh()
    second = make()
    assert [entry.run for entry in known.refresh()] == [second, first]
    runs.remove(first)
    assert [entry.run for entry in known.refresh()] == [second]
    runs.remove(second)
    assert known.refresh() == []


@pytest.mark.parametrize("moment", ["before it is read", "while it is read"])
def test_a_run_that_vanishes_meanwhile_is_not_there(folder, make, monkeypatch, moment):
    first, second = make(), make()
    real = getattr(roster, "is_run" if moment == "before it is read" else "current")

    def late(of):
        if getattr(of, "name", getattr(of, "id", "")) == second.id and second.path.exists():
            shutil.rmtree(second.path)
        return real(of)

    monkeypatch.setattr(roster, real.__name__, late)
    assert [entry.run for entry in Roster(folder).refresh()] == [first]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x1b", b"[" * 100_000])
def test_a_run_whose_summary_cannot_be_read_is_listed_with_the_sentence_until_it_can(folder, make, content):
    run = make("stopped")
    good = run.summary.read_bytes()
    run.summary.write_bytes(content)
    known = Roster(folder)
    (entry,) = known.refresh()
    assert (entry.run, entry.summary) == (run, None)
    assert entry.error.startswith(f"{run.summary}: is no summary of a run")
    assert entry.error.isprintable()
    run.summary.write_bytes(good)
    assert states(known.refresh()) == ["stopped"]


def test_to_look_changes_nothing(folder, make):
    run = make("running")
    write(run, run_started(), step(1), evaluated())
    before = [(path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))]
    known = Roster(folder)
    known.refresh()
    known.refresh()
    assert [(path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))] == before
