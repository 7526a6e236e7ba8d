"""Whatever kills it and when: the run goes on, and ends as if nothing had happened. To the last bit."""

import os
import random
import signal
import time

import psutil
import pytest
from commands import Commands

from cifar_core import checkpoint
from cifar_core.events import CheckpointSaved, CheckpointStarted, EpochCompleted, Evaluated, RunFinished, StepCompleted
from cifar_experiments import runs
from cifar_experiments.runs.lock import holder

LONG = bool(os.environ.get("CIFAR_TUI_LONG_TESTS"))
KILLS = 200 if LONG else 24
TERMINATIONS = 50 if LONG else 8

# All that draws, remembers or adapts; so small that a good part of the time goes into saving.
EXPERIMENT = """
[model]
name = "conv3-notes"
dropout = [0.5, 0.2, 0.1]
[data]
kind = "synthetic"
limit = 400
validation = 0.2
[augment]
flip = "random"
crop = 4
cutout = 8
[optimizer]
name = "sgd"
lr = 0.05
nesterov = true
weight_decay = 5e-4
[schedule]
name = "onecycle"
[training]
epochs = 12
batch_size = 16
threads = 1
device = "cpu"
checkpoint_every = 1
"""


@pytest.fixture
def commands(home, tmp_path):
    started = Commands(home, tmp_path)
    yield started
    started.close()


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(EXPERIMENT)
    return path


def bare(run):
    """What of a run's events must be the same in every repetition: all but times, paths and sizes."""
    kept = []
    for event in runs.read_events(run.events):
        match event:
            case StepCompleted():
                kept.append((event.epoch, event.step, event.loss, event.accuracy, event.learning_rate))
            case Evaluated():
                kept.append((event.split, event.step, event.loss, event.confusion, event.best))
            case EpochCompleted():
                kept.append((event.epoch, event.loss, event.accuracy))
    return kept


def final(run):
    """Weights, what the optimizer remembers, and the place of the last checkpoint, as text that can be compared."""
    state = checkpoint.load(run.checkpoints).state
    place = {key: value for key, value in state["progress"].items() if key != "checkpoints"}
    learner = state["learner"]
    tensors = {**learner["model"]}
    for index, memory in learner["optimizer"]["state"].items():
        tensors |= {f"{index}.{key}": value for key, value in memory.items() if value is not None}
    return place, {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


@pytest.fixture
def whole(commands, experiment, tmp_path):
    """The same training, never interrupted."""
    command = commands.start("--no-tui", experiment, "--runs-dir", tmp_path / "whole")
    assert command.wait() == 0, command.said.read_text()
    [run] = runs.in_folder(tmp_path / "whole")
    return run


def started(command, folder, known=()):
    """Wait until a command works on a run, and return the run; None if the command has ended before."""
    while True:
        for run in runs.in_folder(folder):
            working = holder(run)
            if run.id not in known and working is not None and working.pid == command.pid:
                return run
        if psutil.Process(command.pid).status() == psutil.STATUS_ZOMBIE:
            return None
        time.sleep(0.005)


def wait_for_a_moment(draw, run, command):
    """Sleep for a random time; or until a checkpoint is begun, and then for so long that it may be half saved."""
    if draw.random() < 0.5:
        time.sleep(draw.uniform(0, 1.2))
        return
    begin = run.events.stat().st_size
    while psutil.Process(command.pid).status() != psutil.STATUS_ZOMBIE:
        if b"CheckpointStarted" in run.events.read_bytes()[begin:]:
            time.sleep(draw.uniform(0, 0.008))
            return


def was_saving(run):
    marks = [e for e in runs.read_events(run.events) if isinstance(e, CheckpointStarted | CheckpointSaved)]
    return bool(marks) and isinstance(marks[-1], CheckpointStarted)


def assert_as_whole(run, whole):
    events = bare(run)
    assert [event[1] for event in events if len(event) == 5 and isinstance(event[0], int)] == list(range(1, 241))
    assert events == bare(whole)
    assert final(run) == final(whole)
    summary = runs.current(run)
    assert (summary.state, summary.steps, summary.epochs) == ("completed", 240, 12)
    assert holder(run) is None
    marks = [event.reason for event in runs.read_events(run.events) if isinstance(event, RunFinished)]
    assert marks == ["completed"]


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_one_that_never_was(commands, experiment, whole, tmp_path):
    draw = random.Random(os.environ.get("CIFAR_TUI_TEST_SEED", "11"))
    folder = tmp_path / "killed"
    kills, inside_saving, ids = 0, 0, set()
    while kills < KILLS:
        command = commands.start("--no-tui", experiment, "--runs-dir", folder)
        run = started(command, folder, ids)
        ids.add(run.id)
        while kills < KILLS and run is not None:
            wait_for_a_moment(draw, run, command)
            command.send(signal.SIGKILL)
            if command.wait() == 0:
                break
            assert command.code == -signal.SIGKILL, command.said.read_text()
            kills += 1
            assert runs.current(run).state in ("crashed", "created", "completed")
            inside_saving += was_saving(run)
            command = commands.start("--no-tui", "--resume", run.id, "--runs-dir", folder)
            if started(command, folder) is None:
                break
        assert command.wait() == 0, command.said.read_text()
        assert_as_whole(run, whole)
    assert inside_saving >= KILLS / 8


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=["SIGTERM", "SIGUSR1"])
def test_terminated_at_random_moments_it_exits_with_75_and_goes_on_exactly(
    number, commands, experiment, whole, tmp_path
):
    draw = random.Random(os.environ.get("CIFAR_TUI_TEST_SEED", "12"))
    folder = tmp_path / "terminated"
    terminated, ids = 0, set()
    while terminated < TERMINATIONS:
        command = commands.start("--no-tui", experiment, "--runs-dir", folder)
        run = started(command, folder, ids)
        ids.add(run.id)
        while terminated < TERMINATIONS:
            time.sleep(draw.uniform(0, 1.2))
            command.send(number)
            if command.wait() == 0:
                break
            assert command.code == 75, command.said.read_text()
            terminated += 1
            assert runs.current(run).state == "stopped"
            assert f"--resume {run.path}" in command.said.read_text()
            command = commands.start("--no-tui", "--resume", run.id, "--runs-dir", folder)
            if started(command, folder) is None:
                break
        assert command.wait() == 0, command.said.read_text()
        events = bare(run)
        assert events == bare(whole)
        assert final(run) == final(whole)
