"""Worker processes under the app, in a real (pseudo) terminal: they hear nothing of it, and end with their training."""

import os
import signal
import time

import psutil
import pytest
from terminals import Terminal

from cifar_core.events import RunFinished, StepCompleted
from cifar_experiments import runs

PATIENCE = 120
EXPERIMENT = ("quickstart", "data.loader=workers", "data.workers=1", "training.epochs=1000")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def terminal(home, folder):
    opened = Terminal(EXPERIMENT, {**home, "CIFAR_TUI_RUNS": str(folder)})
    yield opened
    opened.close()


def until(condition, shown):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        shown.read_for(0.05)
    return found


def steps_of(run):
    return runs.current(run).steps


@pytest.mark.slow
def test_workers_outlive_the_terminal_and_what_is_sent_to_all_but_not_their_training(terminal, folder):
    terminal.until("quickstart")
    terminal.type(b"\r")
    run = until(lambda: next(iter(runs.in_folder(folder)), None), terminal)
    until(lambda: steps_of(run) > 20, terminal)
    others = psutil.Process(terminal.process.pid).children(recursive=True)
    assert len(others) == 3  # a worker, the server that it comes from, and Python's tracker of what processes share
    before = steps_of(run)
    terminal.hang_up()
    os.killpg(terminal.process.pid, signal.SIGHUP)  # as a shell does that loses its terminal, too
    deadline = time.monotonic() + PATIENCE
    while steps_of(run) < before + 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(terminal.process.pid, signal.SIGTERM)
    assert terminal.process.wait(PATIENCE) == 75
    _, alive = psutil.wait_procs(others, timeout=PATIENCE)
    assert not alive
    events = list(runs.read_events(run.events))
    [finished] = [event for event in events if isinstance(event, RunFinished)]
    assert finished.reason == "stopped"
    assert finished.checkpoint is not None
    steps = [event.step for event in events if isinstance(event, StepCompleted)]
    assert steps == list(range(1, finished.step + 1))
