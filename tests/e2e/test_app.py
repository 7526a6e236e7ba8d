"""The app in a real (pseudo) terminal: whatever happens to it, the terminal is left in order and no run is lost."""

import itertools
import os
import re
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from checkpoints import same
from commands import Commands
from terminals import Terminal

from cifar_core import checkpoint
from cifar_core.events import CheckpointSaved, Paused, Resumed, RunFinished, RunStarted, StepCompleted
from cifar_experiments import presets, runs
from cifar_experiments.live.client import ask
from cifar_experiments.live.protocol import Stop
from cifar_experiments.runs.lock import holder

LONG = ("quickstart", "training.epochs=1000")
PATIENCE = 60

SET = re.compile(r"\x1b\[\?(\d+)([hl])")
AT_REST = {"7": "h", "25": "h"}
"""Modes of a terminal that are on when nobody changed them; those that an app sets besides must be off again."""


def modes_left_on(screen):
    """The modes that the output left in another state than a terminal has at rest."""
    last = dict(SET.findall(screen))
    return {mode for mode, state in last.items() if state != AT_REST.get(mode, "l")}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    started = Commands(dict(os.environ), tmp_path_factory.mktemp("here"))
    yield started
    started.close()


@pytest.fixture
def terminal(home, folder, commands):
    """Open the app in a terminal; unless ``alone``, in a process that was forked with torch imported."""
    opened = []

    def start(*arguments, alone=False, **options):
        environment = {**home, "CIFAR_TUI_RUNS": str(folder)}
        started = Terminal(arguments, environment, commands=None if alone else commands, **options)
        opened.append(started)
        return started

    yield start
    for started in opened:
        started.close()


def until(condition, shown=None):
    """Wait for a condition, reading the terminal meanwhile; fails the test when it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, shown and shown.screen[-3000:]
        shown.read_for(0.05) if shown is not None else time.sleep(0.05)
    return found


def only_run(folder):
    return next(iter(runs.in_folder(folder)), None)


def steps_of(run):
    return runs.current(run).steps


def events_of(run, kind):
    return [event for event in runs.read_events(run.events) if isinstance(event, kind)]


@pytest.fixture
def training(terminal, folder):
    """The app with a training under way in its process: (terminal, run)."""
    shown = terminal(*LONG)
    shown.until("quickstart")
    shown.type(b"\r")
    run = until(lambda: only_run(folder), shown)
    shown.until("pause")  # the monitor's keys
    until(lambda: steps_of(run) > 20, shown)
    return shown, run


def assert_in_order(shown):
    assert modes_left_on(shown.screen) == set()
    assert shown.modes() == shown.modes_before
    assert "Traceback" not in shown.screen


def test_quitting_leaves_the_terminal_as_it_was_though_torch_is_being_imported(terminal):
    shown = terminal(alone=True)
    shown.until("quickstart")
    assert "1049" in dict(SET.findall(shown.screen))
    shown.type(b"q")
    assert shown.wait() == 0
    assert_in_order(shown)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT], ids=lambda number: number.name)
def test_a_signal_saves_and_leaves_the_terminal_in_order(training, number):
    shown, run = training
    os.kill(shown.process.pid, number)
    assert shown.wait() == 75
    assert_in_order(shown)
    [finished] = events_of(run, RunFinished)
    assert finished.reason == "stopped"
    assert checkpoint.load(run.checkpoints).step == finished.step
    assert run.id in shown.screen


def test_a_signal_that_finds_nothing_to_save_ends_the_app(terminal):
    shown = terminal(alone=True)
    shown.until("quickstart")
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 128 + signal.SIGTERM
    assert_in_order(shown)


SIGNALLED = """
import os, signal
from cifar_tui.{module} import {kind}
meant = {kind}.{method}
def signalled(self, *arguments, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    return meant(self, *arguments, **options)
{kind}.{method} = signalled
"""


@pytest.mark.parametrize(
    "moment",
    [
        {"module": "app", "kind": "CifarApp", "method": "__init__"},
        {"module": "app", "kind": "CifarApp", "method": "run"},
        {"module": "driver", "kind": "Driver", "method": "start_application_mode"},
        {"module": "screens.launch", "kind": "LaunchScreen", "method": "contents"},
        {"module": "app", "kind": "CifarApp", "method": "_prepare"},
    ],
    ids=lambda moment: moment["method"],
)
def test_a_signal_before_the_first_frame_ends_the_app_all_the_same(moment, terminal):
    shown = terminal("quickstart", before=SIGNALLED.format(**moment))
    assert shown.wait() == 128 + signal.SIGTERM
    assert_in_order(shown)
    assert "failed" not in shown.screen


def test_a_training_goes_on_when_its_terminal_is_lost(training):
    shown, run = training
    before = steps_of(run)
    shown.hang_up()
    until(lambda: steps_of(run) > before + 500)
    assert holder(run).pid == shown.process.pid
    assert psutil.Process(shown.process.pid).num_threads() > 0
    ask(run, Stop())
    until(lambda: shown.process.poll() is not None)
    assert shown.process.returncode == 0
    [finished] = events_of(run, RunFinished)
    assert finished.step >= before + 500
    steps = [event.step for event in events_of(run, StepCompleted)]
    assert steps == list(range(1, finished.step + 1))


def test_after_its_terminal_was_lost_a_training_is_still_saved_when_a_batch_system_says_so(training):
    shown, run = training
    shown.type(b"x")  # a question is open
    shown.until("stop now")
    shown.hang_up()
    before = steps_of(run)
    until(lambda: steps_of(run) > before + 50)
    os.kill(shown.process.pid, signal.SIGTERM)
    until(lambda: shown.process.poll() is not None)
    assert shown.process.returncode == 75
    assert events_of(run, RunFinished)[0].reason == "stopped"


def begin_seeds(shown, folder):
    """Start trainings of three seeds; return their runs in the order in which they are to be trained."""
    shown.until("quickstart")
    shown.type(b"n")
    shown.until("How many trainings")
    shown.type(b"\r")
    there = until(lambda: (found := runs.in_folder(folder))[2:] and found, shown)
    return sorted(there, key=lambda run: presets.compose(str(run.toml)).config.training.seed)


def test_of_several_seeds_a_signal_saves_the_one_and_says_how_the_others_begin(terminal, folder):
    shown = terminal(*LONG)
    first, *others = begin_seeds(shown, folder)
    until(lambda: steps_of(first) > 20, shown)
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)
    assert runs.current(first).state == "stopped"
    said = shown.screen.replace("\r\n", "")
    assert "without a word" not in said
    for other in others:
        assert runs.current(other).state == "created"
        assert f"--resume {other.id} begins it" in said


@pytest.mark.slow
def test_several_seeds_are_detached_all_and_trained_in_their_order(terminal, folder):
    shown = terminal("quickstart", "training.epochs=8", "data.limit=640")
    there = begin_seeds(shown, folder)
    until(lambda: steps_of(there[0]), shown)
    shown.type(b"q")
    shown.until("detach: it goes on")
    shown.type(b"d")
    assert shown.wait() == 0
    assert_in_order(shown)
    until(lambda: all(runs.current(run).state == "completed" for run in there))
    for run in there:
        assert [event.step for event in events_of(run, StepCompleted)] == list(range(1, 81))
        assert f"attach {run.id}" in shown.screen
    for earlier, later in itertools.pairwise(there):
        assert events_of(earlier, RunFinished)[-1].time <= events_of(later, RunStarted)[0].time


LOST = """
from cifar_core.learner import Learner
update, made = Learner.update, []
def lost(self, images, labels):
    made.append(1)
    if len(made) == 30:
        raise RuntimeError("CUDA error: the device is lost")
    return update(self, images, labels)
Learner.update = lost
"""


def test_a_device_lost_in_mid_run_is_a_sentence_and_the_next_training_goes_on(terminal, folder):
    shown = terminal(*LONG, before=LOST)
    first, second, _ = begin_seeds(shown, folder)
    shown.until("the device is lost")
    until(lambda: steps_of(second) > 20, shown)
    assert runs.current(first).state == "failed"
    assert "Traceback" in first.log.read_text()
    shown.type(b"q")
    shown.until("stop now")
    shown.type(b"n")
    assert shown.wait() == 4
    assert_in_order(shown)
    assert runs.current(second).state == "stopped"


def test_a_run_folder_deleted_under_its_training_ends_that_and_not_the_app(training):
    shown, run = training
    shutil.rmtree(run.path)
    shown.until("cannot be recorded")
    shown.type(b"q")
    assert shown.wait() == 4
    assert_in_order(shown)


def test_a_folder_in_which_no_run_can_be_kept_is_a_sentence(terminal, folder):
    folder.write_text("no folder")
    shown = terminal(*LONG)
    shown.until("quickstart")
    shown.type(b"\r")
    # Of "no run can be kept there: File exists; ...", wherever it wraps and in however many pieces it is drawn.
    until(lambda: "exists" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.screen), shown)
    shown.type(b"q")
    assert shown.wait() == 0
    assert_in_order(shown)


@pytest.mark.slow
def test_runs_go_on_one_after_another_though_one_is_complete_already(terminal, folder):
    short = ("quickstart", "data.limit=640", "training.seed=5")
    for options in (("training.epochs=1",), ("training.epochs=500", "training.max_steps=30")):
        assert terminal("--no-tui", *short, *options).wait() == 0
    complete, other = runs.in_folder(folder)
    fork = terminal("--resume", other.id, "training.max_steps=60")
    run = until(lambda: next((each for each in runs.in_folder(folder) if each not in (complete, other)), None), fork)
    until(lambda: runs.current(run).state == "completed" and holder(run) is None, fork)
    fork.type(b"q")
    assert fork.wait() == 0
    both = terminal("--resume", complete.id, "--resume", other.id)
    both.until("is complete")
    both.type(b"q")
    assert both.wait() == 4
    assert_in_order(both)


LOADING = """
from cifar_tui import training
train = training.Training._train
async def loading(self, recorder, log):
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    numbers = TensorDataset(torch.arange(8.0))
    loader = DataLoader(numbers, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    log(f"LOADED {sum(float(batch.sum()) for [batch] in loader)}\\n")
    await train(self, recorder, log)
training.Training._train = loading
"""


@pytest.mark.slow
def test_a_data_loader_spawns_its_workers_under_the_app(terminal, folder):
    shown = terminal(*LONG, before=LOADING, alone=True)
    shown.until("quickstart")
    shown.type(b"\r")
    run = until(lambda: only_run(folder), shown)
    until(lambda: steps_of(run) > 20, shown)
    log = run.log.read_text()
    assert "LOADED 28.0" in log
    assert "resource_tracker" not in log  # which complains when it had to be started again
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)


def test_quitting_in_mid_epoch_asks_and_saves(training):
    shown, run = training
    shown.type(b"q")
    shown.until("stop now")
    shown.type(b"n")
    assert shown.wait() == 0
    assert_in_order(shown)
    [finished] = events_of(run, RunFinished)
    assert checkpoint.load(run.checkpoints).step == finished.step
    assert f"--resume {run.id}" in shown.screen


def test_detaching_goes_on_exactly_in_a_process_of_its_own(training):
    shown, run = training
    shown.type(b"q")
    shown.until("detach: it goes on")
    shown.type(b"d")
    assert shown.wait() == 0
    assert_in_order(shown)
    assert f"attach {run.id}" in shown.screen
    other = until(lambda: holder(run))
    assert other.pid != shown.process.pid
    saved = steps_of(run)
    until(lambda: steps_of(run) > saved + 50)
    ask(run, Stop())
    until(lambda: holder(run) is None)
    steps = [event.step for event in events_of(run, StepCompleted)]
    assert steps == list(range(1, len(steps) + 1))


FAULTY = """
from cifar_tui.screens.monitor import MonitorScreen
def fail(self):
    raise RuntimeError("a fault of the screen")
MonitorScreen.action_pause = fail
"""


def test_a_fault_of_the_screens_neither_harms_the_terminal_nor_ends_the_training(terminal, folder):
    shown = terminal(*LONG, before=FAULTY)
    shown.until("quickstart")
    shown.type(b"\r")
    run = until(lambda: only_run(folder), shown)
    shown.until("pause")
    until(lambda: steps_of(run) > 20, shown)
    shown.type(b" ")
    shown.until("the screens failed: RuntimeError: a fault of the screen")
    before = steps_of(run)
    assert_in_order(shown)
    until(lambda: steps_of(run) > before + 50, shown)
    shown.type(b"\x03")
    assert shown.wait() == 4
    assert_in_order(shown)
    [finished] = events_of(run, RunFinished)
    assert finished.reason == "stopped"
    log = next(Path(path) for path in re.findall(r"(/\S*screens\.txt)", shown.screen.replace("\r\n", "")))
    assert "RuntimeError: a fault of the screen" in log.read_text()


NOISY = """
import os, threading, time
def noise():
    while True:
        os.write(1, b"NATIVE-OUT\\n")
        os.write(2, b"NATIVE-ERR\\n")
        print("PYTHON-OUT", flush=True)
        time.sleep(0.05)
def begin():
    threading.Thread(target=noise, daemon=True).start()
from cifar_tui import training
work = training.Training.work
def noisy(self):
    begin()
    work(self)
training.Training.work = noisy
"""


def test_what_libraries_print_goes_to_the_log_and_never_on_the_screen(terminal, folder):
    shown = terminal(*LONG, before=NOISY)
    shown.until("quickstart")
    shown.type(b"\r")
    run = until(lambda: only_run(folder), shown)
    words = ("NATIVE-OUT", "NATIVE-ERR", "PYTHON-OUT")
    until(lambda: run.log.exists() and all(word in run.log.read_text() for word in words), shown)
    until(lambda: steps_of(run) > 20, shown)
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)
    # The log pane shows them, as text in its place; nothing else does.
    assert "NATIVE-OUT\n" not in shown.screen.replace("\r", "")


def test_keys_before_the_first_event_do_no_harm(terminal, folder):
    shown = terminal(*LONG)
    shown.until("quickstart")
    shown.type(b"\r")
    run = until(lambda: only_run(folder), shown)
    for key in (b" ", b" ", b"c", b"l", b"s", b"w", b"+", b"-", b"\x1b[C", b"\x1b[D", b"0", b"f", b"f", b"\t", b"y"):
        shown.type(key)
        shown.read_for(0.02)
    until(lambda: steps_of(run) > 20, shown)
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)


def test_a_suspended_app_gives_the_terminal_back_and_comes_again(training):
    shown, run = training
    process = psutil.Process(shown.process.pid)
    shown.type(b"\x1a")
    until(lambda: process.status() == psutil.STATUS_STOPPED, shown)
    shown.read_for(0.2)
    assert modes_left_on(shown.screen) == set()
    assert shown.modes() == shown.modes_before
    steps, written = steps_of(run), len(shown.screen)
    os.kill(shown.process.pid, signal.SIGCONT)
    until(lambda: "quickstart" in shown.screen[written:], shown)
    assert "1049" in modes_left_on(shown.screen)
    until(lambda: steps_of(run) > steps + 50, shown)
    shown.type(b" ")
    until(lambda: events_of(run, Paused), shown)
    shown.type(b" ")
    until(lambda: events_of(run, Resumed), shown)
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)


@pytest.mark.slow
def test_a_terminal_that_stops_reading_holds_up_nothing(training):
    shown, run = training
    shown.read_for(1)
    before = steps_of(run)
    for _ in range(20):  # unread, with keys and resizes that ask for more; what waits is bounded, see test_outlet
        shown.type(b"\t")
        shown.resize(80 + _ % 2, 24)
        time.sleep(0.5)
    assert steps_of(run) > before + 100
    # It reads again, and sees how things are.
    steps, written = steps_of(run), len(shown.screen)
    until(lambda: len(shown.screen) > written + 1000, shown)
    shown.type(b"c")
    until(lambda: any(saved.step > steps for saved in events_of(run, CheckpointSaved)), shown)
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)


def test_a_stalled_terminal_does_not_keep_a_process_that_is_to_end(training):
    shown, run = training
    shown.resize(200, 60)
    time.sleep(3)  # by now its buffer may be full
    os.kill(shown.process.pid, signal.SIGTERM)
    until(lambda: shown.process.poll() is not None)
    assert shown.process.returncode == 75
    assert runs.current(run).state == "stopped"


@pytest.mark.parametrize("name", ["xterm-unheard-of", "vt100", "linux"])
def test_an_unknown_terminal_is_drawn_on_all_the_same(terminal, name):
    shown = terminal(*LONG, before=f"import os; os.environ['TERM'] = {name!r}", alone=True)
    shown.until("quickstart")
    shown.type(b"q")
    assert shown.wait() == 0
    assert_in_order(shown)


def test_a_tiny_terminal_and_a_storm_of_resizes(training):
    shown, run = training
    for columns, rows in [(20, 5), (1, 1), (200, 60), (40, 12), (39, 11), (120, 40)] * 5:
        shown.resize(columns, rows)
        shown.read_for(0.02)
    before = steps_of(run)
    until(lambda: steps_of(run) > before + 50, shown)
    shown.resize(20, 5)
    written = len(shown.screen)
    until(lambda: "needs" in shown.screen[written:], shown)
    os.kill(shown.process.pid, signal.SIGTERM)
    assert shown.wait() == 75
    assert_in_order(shown)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [(), ("--model", "conv3-notes-dropout")], ids=["quick start", "dropout, which draws from torch's own"]
)
def test_the_app_changes_no_weight(model, terminal, folder, tmp_path):
    short = ("quickstart", *model, "data.limit=256", "training.epochs=2", "training.seed=3")
    without = terminal("--no-tui", *short, "--runs-dir", tmp_path / "without")
    assert without.wait() == 0
    shown = terminal(*short)
    shown.until("(measured")  # by training the same model for a moment, in the same process
    shown.type(b"\r")
    run = until(lambda: only_run(folder), shown)
    until(lambda: runs.current(run).state == "completed" and holder(run) is None, shown)
    shown.type(b"q")
    assert shown.wait() == 0
    one, other = (checkpoint.load(each.checkpoints).state["learner"] for each in (only_run(tmp_path / "without"), run))
    assert same(one, other)
    assert [event.loss for event in events_of(run, StepCompleted)] == [
        event.loss for event in events_of(only_run(tmp_path / "without"), StepCompleted)
    ]
