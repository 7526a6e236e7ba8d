"""The command in a real (pseudo) terminal: the bar, and Ctrl+C."""

import json

import pytest
from terminals import Terminal

LONG = ("--no-tui", "quickstart", "training.epochs=1000")
SHORT = ("--no-tui", "quickstart", "data.limit=256", "training.epochs=2")


@pytest.fixture
def terminal(home, tmp_path):
    opened = []

    def start(*arguments, **environment):
        started = Terminal(arguments, {**home, "CIFAR_TUI_RUNS": str(tmp_path / "runs"), **environment})
        opened.append(started)
        return started

    yield start
    for started in opened:
        started.close()


def summary(tmp_path):
    [folder] = (tmp_path / "runs").iterdir()
    return json.loads((folder / "summary.json").read_text())


def test_a_terminal_gets_a_bar_with_loss_accuracy_rate_and_time_left(terminal):
    shown = terminal(*LONG)
    shown.until("img/s")
    drawn = [frame for frame in shown.screen.split("\r") if "img/s" in frame][-1]
    for part in ("%|", "/157000", "<", "loss ", "acc "):
        assert part in drawn
    assert len(drawn.splitlines()[0]) <= 80
    shown.type(b"\x03")
    assert shown.wait() == 0


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true"}], ids=str)
def test_where_a_bar_makes_no_sense_there_are_plain_lines(environment, terminal):
    shown = terminal(*SHORT, **environment)
    assert shown.wait() == 0
    assert "epoch 2/2" in shown.screen
    assert "%|" not in shown.screen
    assert all(len(line) < 80 for line in shown.screen.splitlines() if line.startswith(("quickstart", "epoch", "comp")))


def test_one_interrupt_stops_after_the_step_and_writes_the_summary(terminal, tmp_path):
    shown = terminal(*LONG)
    shown.until("img/s")
    shown.type(b"\x03")
    assert shown.wait() == 0
    assert "stopped after step" in shown.screen
    assert "Traceback" not in shown.screen
    written = summary(tmp_path)
    assert written["state"] == "stopped"
    assert written["steps"] > 0
    assert shown.modes() == shown.modes_before


def test_a_second_interrupt_ends_at_once(terminal):
    # One step of this takes seconds, and the first interrupt waits for its end.
    heavy = ("--model", "resnet18", "--optimizer", "sgd", "data.kind=synthetic", "training.batch_size=256")
    shown = terminal("--no-tui", *heavy)
    shown.until("parameters")
    shown.type(b"\x03")
    shown.until("Ctrl+C again")
    shown.type(b"\x03")
    assert shown.wait() == 130
    assert "Traceback" not in shown.screen
    assert shown.modes() == shown.modes_before
