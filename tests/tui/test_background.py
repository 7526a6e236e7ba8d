"""What is prepared is what was wished for last, and nothing is while a training runs."""

import threading
import time

import pytest

from cifar_core.errors import DataError
from cifar_core.events import Preparing
from cifar_experiments import presets
from cifar_tui import background
from cifar_tui.background import Background

PATIENCE = 60


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def config(seed=1):
    return presets.compose("quickstart", overrides=[f"training.seed={seed}", "data.limit=256"]).config


class Scripted(Background):
    """Notes what it is to prepare, and goes on with it until it is given up, unless it is to do something else."""

    def __init__(self):
        super().__init__()
        self.begun, self.given_up = [], []
        self.act = None

    def _prepare(self, wished, control, download):
        self.begun.append((wished.training.seed, download))
        if self.act is not None:
            self.act()
            return
        until(lambda: control.ending is not None)
        self.given_up.append(wished.training.seed)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(background, "_PATIENCE_SECONDS", 0.02)


@pytest.fixture
def scripted():
    made = Scripted()
    made.start()
    yield made
    made.act = lambda: None
    made.wish(config())  # gives up what is under way


def test_a_new_wish_gives_up_what_is_prepared_for_another_one_in_the_midst_of_a_download(scripted):
    scripted.wish(config(1), download=True)
    until(lambda: scripted.begun == [(1, True)])
    scripted.wish(config(2))
    until(lambda: scripted.begun == [(1, True), (2, False)])
    assert scripted.given_up == [1]


def test_nothing_is_prepared_while_a_training_runs_and_what_was_given_up_for_it_is_afterwards(scripted):
    scripted.wish(config(1))
    until(lambda: scripted.begun)
    with scripted.held():
        assert scripted.given_up == [1]  # it was waited for
        scripted.wish(config(2))
        with scripted.held():
            pass
        time.sleep(5 * background._PATIENCE_SECONDS)
        assert len(scripted.begun) == 1
    until(lambda: scripted.begun == [(1, False), (2, False)])


def test_a_training_waits_for_nothing_where_nothing_was_begun():
    never_started = Background()
    with never_started.held():
        pass
    never_started.wish(config())
    with never_started.held():
        pass


@pytest.mark.parametrize("error", [DataError("no images"), OSError("broken torch"), SystemExit(3)], ids=repr)
def test_a_fault_is_told_and_neither_a_training_nor_the_next_wish_waits_for_ever(error, scripted):
    def fail():
        raise error

    scripted.act = fail
    scripted.wish(config(1))
    until(lambda: scripted.readiness.error is not None)
    assert str(error) in scripted.readiness.error
    with scripted.held():
        pass
    scripted.act = None
    scripted.wish(config(2))
    until(lambda: (2, False) in scripted.begun)


def test_trainings_that_come_in_the_midst_of_changing_wishes_are_never_held_up(scripted):
    stop = threading.Event()

    def wish():
        seed = 0
        while not stop.is_set():
            scripted.wish(config(seed := seed % 5 + 1))
            stop.wait(0.001)

    wishing = threading.Thread(target=wish)
    wishing.start()
    for _ in range(50):
        with scripted.held():
            number = len(scripted.begun)
            time.sleep(0.002)
            assert len(scripted.begun) == number == len(scripted.given_up)
    stop.set()
    wishing.join()


@pytest.mark.slow
def test_torch_the_images_and_the_speed_are_known_in_the_end_and_not_measured_twice(monkeypatch):
    prepared = Background()
    prepared.start()
    prepared.wish(config())
    until(lambda: prepared.readiness.seconds is not None)
    known = prepared.readiness
    assert (known.error, known.preparing) == (None, None)
    assert known.data.there
    assert (known.images[0], known.steps) == (256, 24)
    assert known.probe.seconds_per_step > 0
    from cifar_core import probe

    monkeypatch.setattr(probe, "probe", lambda *_: pytest.fail("measured again"))
    prepared.wish(presets.compose("quickstart", overrides=["data.limit=512", "training.epochs=3"]).config)
    version = prepared.version
    until(lambda: prepared.version > version)  # by the first word of the new preparation nothing old is left
    until(lambda: prepared.readiness.seconds is not None or prepared.readiness.error is not None)
    assert (prepared.readiness.steps, prepared.readiness.error) == (24, None)
    assert prepared.readiness.probe is known.probe


def test_a_download_is_shown_as_it_goes_on_and_no_longer_afterwards(monkeypatch):
    from cifar_core.data import load

    reading = threading.Event()

    def endless(*_):
        while True:
            yield Preparing(time=1.0, phase="download", subject="images", done=1, total=2, unit="B")
            reading.set()
            time.sleep(0.01)

    monkeypatch.setattr(load, "load", endless)
    prepared = Background()
    prepared.start()
    prepared.wish(config(), download=True)
    assert reading.wait(PATIENCE)
    assert prepared.readiness.preparing.subject == "images"
    with prepared.held():  # it is cut between two events
        pass


def test_what_was_found_out_for_one_choice_is_never_shown_for_another_one(scripted):
    until(lambda: scripted.version == 0)
    told = threading.Event()
    scripted.act = lambda: (scripted._tell(scripted._control, steps=942, seconds=7.0), told.set())
    scripted.wish(config(1))
    assert told.wait(PATIENCE)
    assert scripted.readiness.steps == 942
    late = scripted._control
    scripted.act = lambda: None
    scripted.wish(config(2))
    assert scripted.readiness.steps is None
    scripted._tell(late, steps=942)
    assert scripted.readiness.steps is None
