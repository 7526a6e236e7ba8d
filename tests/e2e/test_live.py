"""A run is followed, controlled and gone on with from other terminals, whatever becomes of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from commands import Commands
from terminals import Terminal

from cifar_core import checkpoint
from cifar_core.events import (
    CheckpointSaved,
    EpochCompleted,
    LearningRateChanged,
    RunStarted,
    StepCompleted,
    from_json,
    to_json,
)
from cifar_experiments import presets, runs
from cifar_experiments.runs.lock import holder

LONG = ("--no-tui", "quickstart", "training.epochs=1000")
BRIEF = ("--no-tui", "quickstart", "data.limit=256", "training.epochs=2")
PATIENCE = 60


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def environment(home, folder):
    return {**home, "CIFAR_TUI_RUNS": str(folder)}


@pytest.fixture
def commands(environment, tmp_path):
    started = Commands(environment, tmp_path)
    yield started
    started.close()


@pytest.fixture
def do(commands):
    """Run a command to its end; its exit code and all that it printed."""

    def run(*arguments):
        command = commands.start(*arguments)
        return command.wait(), command.said.read_text()

    return run


def until(condition):
    """What ``condition`` returns once that is true; fails the test when it stays false."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def the_run(folder):
    return until(lambda: runs.in_folder(folder))[0]


def events(run):
    return list(runs.read_events(run.events))


def steps(run):
    return [event.step for event in events(run) if isinstance(event, StepCompleted)]


@pytest.fixture
def training(commands, folder):
    """A run that would take minutes, and has begun to make steps."""
    command = commands.start(*LONG)
    run = the_run(folder)
    until(lambda: steps(run))
    yield run
    if command.code is None:
        command.send(signal.SIGKILL)
        command.wait()


def test_a_lost_terminal_harms_no_training_and_another_one_follows_it_without_a_gap(environment, folder, do):
    terminal = Terminal(LONG, environment)
    try:
        terminal.until("img/s")
        run = the_run(folder)
        terminal.hang_up()
        before = len(steps(run))
        until(lambda: len(steps(run)) > before + 100)
        assert terminal.process.poll() is None
        assert runs.current(run).state == "running"
        follower = subprocess.Popen(
            [sys.executable, "-m", "cifar_tui", "attach", run.id, "--json"],
            env=environment, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        seen = len(steps(run))
        lines = [follower.stdout.readline()]
        while not (isinstance(event := from_json(lines[-1]), StepCompleted) and event.step > seen + 20):
            lines.append(follower.stdout.readline())
        assert do("stop", run.id)[0] == 0
        lines += follower.stdout.readlines()
        follower.stdout.close()
        assert follower.wait() == 0
        followed = [event.step for event in map(from_json, lines) if isinstance(event, StepCompleted)]
        assert followed == list(range(1, followed[-1] + 1))
        assert "".join(lines) == run.events.read_text()
        assert terminal.process.wait(PATIENCE) == 0
        assert "the terminal is gone; the training goes on" in run.log.read_text()
    finally:
        terminal.close()


def test_who_attaches_in_a_terminal_sees_the_bar_and_leaves_with_ctrl_c(training, environment):
    terminal = Terminal(["attach", "--no-tui", training.id], environment)
    try:
        terminal.until("img/s")
        terminal.type(b"\x03")
        assert terminal.wait() == 0
        assert f"{training.id} goes on as before" in terminal.screen
        assert terminal.modes() == terminal.modes_before
        assert runs.current(training).state == "running"
    finally:
        terminal.close()


def test_who_follows_leaves_when_its_own_reader_leaves(training, environment):
    follower = subprocess.Popen(
        [sys.executable, "-m", "cifar_tui", "attach", training.id, "--json"],
        env=environment, stdout=subprocess.PIPE
    )  # fmt: skip
    follower.stdout.readline()
    follower.stdout.close()
    assert follower.wait(PATIENCE) == 0
    assert runs.current(training).state == "running"


def test_another_terminal_pauses_resumes_sets_saves_and_stops(training, do):
    assert do("pause", training.id)[1].startswith("paused after step ")
    assert runs.current(training).state == "paused"
    assert do("pause", training.id) == (0, "is paused already\n")
    standing = len(steps(training))
    code, said = do("set", training.id, "optimizer.lr=0.0125")
    assert (code, said) == (0, f"learning rate 0.0125 after step {standing}\n")
    code, said = do("checkpoint", "last")
    assert code == 0
    assert said.startswith(f"saved after step {standing}: ")
    assert checkpoint.load(training.checkpoints).step == standing
    assert len(steps(training)) == standing
    assert do("resume", training.id) == (0, f"resumed after step {standing}\n")
    until(lambda: len(steps(training)) > standing)
    assert do("resume", training.id) == (0, "is not paused\n")
    assert do("stop", training.id[:20])[1].startswith("stopped after step ")
    until(lambda: runs.current(training).state == "stopped")
    changed = next(event for event in events(training) if isinstance(event, LearningRateChanged))
    assert changed.learning_rate == 0.0125
    assert not training.socket.exists()


def test_another_terminal_stops_a_run_after_its_epoch(training, do):
    assert do("stop", training.id, "--after-epoch") == (0, "taken in; it stops after this epoch\n")
    until(lambda: runs.current(training).state == "stopped")
    ended = [event.step for event in events(training) if isinstance(event, EpochCompleted)]
    assert checkpoint.load(training.checkpoints).step == steps(training)[-1] == ended[-1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("optimizer.momentum=0.3",), "optimizer.lr"),
        (("optimizer.lr=fast",), "must be a number"),
        (("optimizer.lr=-1",), "positive"),
        (("optimizer.lr",), "no key=value"),
    ],
)
def test_what_cannot_be_set_is_told_and_nothing_is_changed(words, told, training, do):
    code, said = do("set", training.id, *words)
    assert code != 0
    assert told in said
    assert len(said.splitlines()) == 1
    assert runs.current(training).state == "running"


def test_a_run_that_nobody_works_on_cannot_be_asked(do):
    assert do(*BRIEF)[0] == 0
    for request in ("pause", "stop", "checkpoint"):
        code, said = do(request, "last")
        assert (code, len(said.splitlines())) == (4, 1)
        assert "is not running here" in said


def test_a_second_process_is_refused_with_the_first_ones_host_and_pid(training, do):
    before = steps(training)
    code, said = do("--no-tui", "--resume", training.id)
    assert code == 2
    assert f"process {holder(training).pid} on {os.uname().nodename}" in said
    assert len(said.splitlines()) == 1
    assert steps(training)[: len(before)] == before
    assert do("runs", "rm", "--yes", training.id)[0] == 2
    assert training.path.is_dir()


def test_a_lock_left_by_kill_9_is_no_hindrance_and_the_list_says_crashed(commands, folder, do):
    command = commands.start(*LONG, "training.checkpoint_every=1")
    run = the_run(folder)
    until(lambda: any(isinstance(event, CheckpointSaved) for event in events(run)))
    command.send(signal.SIGKILL)
    command.wait()
    assert run.lock.read_bytes()
    assert "crashed" in do("runs", "list")[1]
    assert "crashed" in do("runs", "show", run.id)[1]
    assert do("attach", run.id)[0] == 4
    assert "the process is gone without a word; the last good checkpoint is" in do("attach", run.id)[1]
    again = commands.start("--no-tui", "--resume", run.id)
    until(lambda: holder(run) is not None)
    again.send(signal.SIGTERM)
    assert again.wait() == 75


def test_a_detached_run_has_a_session_of_its_own_and_says_its_id(do, folder):
    code, said = do(*LONG, "--detach")
    run = runs.in_folder(folder)[0]
    assert (code, said) == (0, f"{run.id}\n")
    working = holder(run)
    assert os.getsid(working.pid) == working.pid
    assert psutil.Process(working.pid).terminal() is None
    until(lambda: steps(run))
    assert do("stop", run.id)[0] == 0
    until(lambda: holder(run) is None)
    code, said = do("--no-tui", "--resume", run.id, "--detach")
    assert (code, said) == (0, f"{run.id}\n")
    until(lambda: [event.resumed_from_step > 0 for event in events(run) if isinstance(event, RunStarted)][1:])
    code, said = do("stop", run.id)
    assert code == 0, said
    started = [event for event in events(run) if isinstance(event, RunStarted)]
    assert [event.resumed_from_step > 0 for event in started] == [False, True]


def test_a_detached_run_that_fails_later_is_told_to_whoever_looks(do, tmp_path):
    detached = ("--detach", "--runs-dir", tmp_path / "elsewhere")
    assert do("--no-tui", "quickstart", *detached, "data.kind=folder", f"data.root={tmp_path}")[0] == 0
    run = runs.in_folder(tmp_path / "elsewhere")[0]
    until(lambda: holder(run) is None)
    assert do("attach", run.path)[0] == 4
    assert runs.current(run).state == "failed"


def test_a_change_makes_a_new_run_that_names_its_parent(do, folder):
    assert do(*BRIEF)[0] == 0
    parent = runs.in_folder(folder)[0]
    before = {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()}
    assert do("--no-tui", "--resume", parent.id, "training.epochs=3")[0] == 0
    [new] = [run for run in runs.in_folder(folder) if run != parent]
    assert len(steps(parent)) == 8
    assert steps(new) == [9, 10, 11, 12]
    assert runs.read_summary(new.summary).parent == str(parent.path)
    assert f"goes on from the last checkpoint of {parent.path}" in new.toml.read_text()
    assert {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()} == before


def test_a_run_that_is_complete_is_left_as_it_is(do, folder):
    assert do(*BRIEF)[0] == 0
    run = runs.in_folder(folder)[0]
    before = run.events.read_bytes()
    code, said = do("--no-tui", "--resume", "last")
    assert code == 0
    assert "is complete; with a change" in said
    assert run.events.read_bytes() == before


def test_with_both_checkpoints_damaged_going_on_is_refused_and_nothing_is_changed(do, folder):
    assert do(*BRIEF, "training.checkpoint_every=1", "training.max_steps=6")[0] == 0
    run = runs.in_folder(folder)[0]
    summary = json.loads(run.summary.read_text())
    run.summary.write_text(json.dumps({**summary, "state": "stopped"}))
    for data in run.checkpoints.glob("*.pt"):
        data.write_bytes(data.read_bytes()[:-1])
    torn = run.events.read_bytes() + b'{"type":"StepComp'
    run.events.write_bytes(torn)

    def files():
        return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path != run.log}

    before = files()
    code, said = do("--no-tui", "--resume", run.id)
    assert code == 4
    assert "no checkpoint in" in said
    assert "Traceback" not in said
    assert files() == before
    shutil.rmtree(run.checkpoints)
    assert do("--no-tui", "--resume", run.id)[0] == 4
    assert run.events.read_bytes() == torn


def test_a_truncated_last_checkpoint_and_a_torn_line_are_mended(do, folder):
    assert do(*BRIEF, "training.checkpoint_every=1", "training.max_steps=6")[0] == 0
    run = runs.in_folder(folder)[0]
    complete = steps(run)
    summary = json.loads(run.summary.read_text())
    run.summary.write_text(json.dumps({**summary, "state": "stopped"}))
    last = checkpoint.load(run.checkpoints)
    last.path.write_bytes(b"")
    with run.events.open("ab") as file:
        file.write(to_json(StepCompleted(time=1.0, epoch=9, step=99, loss=1.0, accuracy=0.5, learning_rate=1.0))[:40])
    code, said = do("--no-tui", "--resume", run.id)
    assert code == 0
    assert "warning: the last checkpoint cannot be used" in said
    assert steps(run) == complete


def test_nohup_setsid_and_closed_streams_do_no_harm(environment, folder, tmp_path):
    command = f"{sys.executable} -m cifar_tui {' '.join(BRIEF)}"
    for number, line in enumerate(
        [f"nohup {command} > nohup.txt 2>&1", f"setsid --wait {command} < /dev/null", f"{command} <&- >&- 2>&-"], 1
    ):
        done = subprocess.run(["sh", "-c", line], env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert [runs.current(run).state for run in runs.in_folder(folder)] == ["completed"] * number


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["lines", "json"])
def test_a_pipe_that_nobody_reads_stops_no_training_and_loses_nothing(json, environment, folder):
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "cifar_tui", "--no-tui", "quickstart", "training.epochs=3", *json],
        env=environment, stdout=writing, stderr=subprocess.DEVNULL
    )  # fmt: skip
    os.close(writing)
    run = the_run(folder)
    until(lambda: runs.current(run).state == "completed")
    assert len(steps(run)) == 471
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert process.wait(PATIENCE) == 0
    if json:
        assert text == run.events.read_text()
    else:
        assert "completed after step 471" in text


def test_terminated_while_nobody_reads_it_saves_and_exits_with_75(environment, folder):
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "cifar_tui", *LONG, "--json"],
        env=environment, stdout=writing, stderr=subprocess.DEVNULL
    )  # fmt: skip
    os.close(writing)
    run = the_run(folder)
    until(lambda: run.events.stat().st_size > 200_000)
    process.send_signal(signal.SIGTERM)
    until(lambda: runs.current(run).state == "stopped")
    assert checkpoint.load(run.checkpoints).step == steps(run)[-1]
    # All is saved: only the words still wait, and a second signal need not.
    until(lambda: process.send_signal(signal.SIGTERM) or process.poll() is not None)
    os.close(reading)
    assert process.returncode == 75


def test_an_interrupt_after_somebody_else_asked_for_the_end_does_not_end_it_at_once(commands, folder):
    command = commands.start(*LONG)
    run = the_run(folder)
    until(lambda: steps(run))
    command.send(signal.SIGSTOP)
    asked = commands.start("stop", run.id)
    time.sleep(0.3)
    command.send(signal.SIGINT)
    command.send(signal.SIGCONT)
    assert command.wait() == 0
    assert asked.wait() == 0
    assert runs.current(run).state == "stopped"
    assert checkpoint.load(run.checkpoints).step == steps(run)[-1]


def test_a_checkpoint_or_an_end_that_could_not_be_saved_is_no_success(training, do):
    shutil.rmtree(training.checkpoints, ignore_errors=True)
    training.checkpoints.touch()
    code, said = do("checkpoint", training.id)
    assert code == 4
    assert "could not be saved" in said
    code, said = do("stop", training.id)
    assert code == 4
    assert "stopped after step" in said
    assert "could not be saved" in said


def test_what_lies_in_the_current_folder_is_no_part_of_a_detached_run(do, tmp_path, folder):
    (tmp_path / "tqdm.py").write_text("import pathlib; pathlib.Path('was-here').touch()")
    assert do(*BRIEF, "--detach")[0] == 0
    run = runs.in_folder(folder)[0]
    until(lambda: runs.current(run).state == "completed")
    assert not (tmp_path / "was-here").exists()
    assert run.log.read_text().count("epoch 2/2") == 1


def test_detaching_a_run_that_is_worked_on_is_refused_as_without(training, do):
    code, said = do("--no-tui", "--resume", training.id, "--detach")
    assert code == 2
    assert said.count("cifar-tui:") == 1
    assert f"process {holder(training).pid} on " in said
    assert do("--no-tui", "--resume", training.id, "--detach", "--json")[0] == 2


def created(folder):
    """A run that nobody has begun yet."""
    config = presets.compose("quickstart", overrides=["data.limit=256", "training.epochs=2"]).config
    return runs.create(config, folder, command=["cifar-tui"])


def test_of_several_runs_one_that_is_worked_on_keeps_none_from_being_trained(training, do, folder):
    other = created(folder)
    code, said = do("--no-tui", "--resume", training.id, "--resume", other.id)
    assert code == 2
    assert f"process {holder(training).pid} on " in said
    assert runs.current(other).state == "completed"


def test_of_several_runs_a_wrong_name_is_told_before_any_is_trained(do, folder):
    there = created(folder)
    code, said = do("--no-tui", "--resume", there.id, "--resume", "none-such")
    assert (code, said.count("cifar-tui: none-such:")) == (2, 1)
    assert runs.current(there).state == "created"


def test_several_detached_runs_are_trained_one_after_another_by_one_process(do, folder):
    first, second = created(folder), created(folder)
    assert do("--detach", "--resume", second.id, "--resume", first.id) == (0, f"{second.id}\n{first.id}\n")
    until(lambda: all(runs.current(run).state == "completed" for run in (first, second)))
    assert events(second)[-1].time <= events(first)[0].time


def test_following_into_a_full_disk_is_told(do, environment):
    assert do(*BRIEF)[0] == 0
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cifar_tui", "attach", "last", "--json"],
            env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )  # fmt: skip
    assert done.returncode == 4
    assert "No space left on device" in done.stderr


def test_a_run_whose_last_checkpoint_was_not_saved_goes_on_though_it_said_it_was_complete(do, folder):
    assert do(*BRIEF, "training.checkpoint_every=1")[0] == 0
    run = runs.in_folder(folder)[0]
    whole, at = steps(run), checkpoint.load(run.checkpoints)
    # As if the disk had been full for the last one.
    at.path.unlink()
    (run.checkpoints / "previous.json").rename(run.checkpoints / "last.json")
    code, said = do("--no-tui", "--resume", run.id)
    assert code == 0, said
    assert "going on after step 4" in said
    assert steps(run) == whole
    assert checkpoint.load(run.checkpoints).step == 8
    assert "is complete" in do("--no-tui", "--resume", run.id)[1]
