"""A probe makes the steps that a training would make, measures them, and leaves no trace."""

import random
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cifar_core import probe as module
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.data import synthetic
from cifar_core.errors import ConfigError, TrainingError
from cifar_core.learner import Learner
from cifar_core.models import registry as models
from cifar_core.probe import Probe, probe

PLAIN = {"training": {"device": "cpu", "threads": 1}}


def experiment(**sections):
    tree = {section: dict(values) for section, values in PLAIN.items()}
    for section, values in sections.items():
        tree[section] = {**tree.get(section, {}), **values}
    return Config.model_validate(tree)


@pytest.fixture
def steps(monkeypatch):
    """The images of each step's batch, steps that take 0.25 seconds each on the probe's clock, the first one 0.5."""
    made, update = [], Learner.update
    now = [100.0]

    def timed(self, images, labels):
        now[0] += 0.25 if made else 0.5
        made.append(images)
        return update(self, images, labels)

    monkeypatch.setattr(Learner, "update", timed)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return made


def process():
    """What a training changes of its process."""
    return [
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002, the process's own
        threading.active_count(),
    ]


ODD = {
    "small batches": {"training": {"batch_size": 4}},
    "large batches": {"training": {"batch_size": 512}},
    "batches that do not divide the images": {"training": {"batch_size": 6_000}},
    "one step": {"training": {"max_steps": 1}},
    "one epoch": {"training": {"epochs": 1, "batch_size": 6_000}},
    "patience": {"training": {"patience": 1}, "data": {"validation": 0.5}, "schedule": {"name": "onecycle"}},
    "evaluated at every step": {"training": {"evaluate_every": 1, "patience": 1}, "data": {"validation": 0.5}},
    "few images": {"training": {"batch_size": 128}, "data": {"limit": 10}},
    "images that are missing": {"data": {"kind": "folder", "root": "/nowhere"}},
    "many checkpoints": {"training": {"checkpoint_every": 1, "checkpoint_minutes": 1e-9}},
    "in parts": {"training": {"accumulate": 3, "clip_norm": 1.0, "gradient_norm": True}},
    "half precision": {"training": {"precision": "bf16", "channels_last": True}},
    "a rate that diverges": {"optimizer": {"lr": 1e30}},
}


@pytest.mark.parametrize("sections", ODD.values(), ids=ODD)
def test_steps_are_made_until_the_time_is_up_whatever_would_end_or_interrupt_a_training(sections, steps, monkeypatch):
    monkeypatch.setattr("cifar_core.session.evaluate_split", None)  # it would be an error to evaluate
    config = experiment(**sections)
    found = probe(config, Control(), 1.0)
    # The first one took 0.5 seconds and is not counted.
    assert [len(images) for images in steps] == [config.training.batch_size] * 3
    assert found == Probe("cpu", 62_006, 651_720, 0.25)


def test_a_step_that_takes_longer_is_the_only_one(steps):
    assert probe(experiment(), Control(), 0.5).seconds_per_step == 0.5
    assert len(steps) == 1


def test_two_steps_are_made_if_the_first_one_left_time(steps):
    assert probe(experiment(), Control(), 0.51).seconds_per_step == 0.25
    assert len(steps) == 2


def test_a_batch_beyond_the_drawn_images_is_reckoned_from_them(steps):
    assert probe(experiment(training={"batch_size": 25_000}), Control(), 0.1).seconds_per_step == 1.25
    assert {len(images) for images in steps} == {10_000}


def test_the_clock_is_a_real_one():
    found = probe(experiment(training={"batch_size": 4}), Control(), 0.2)
    assert 0 < found.seconds_per_step < 10


@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "synthetic"])
@pytest.mark.usefixtures("steps")
def test_the_network_is_as_large_as_it_will_be(kind):
    config = experiment(data={"kind": kind}, model={"name": "conv3-notes", "dropout": [0.5], "init": "kaiming"})
    found = probe(config, Control(), 0.1)
    model = models.build(config.model, 100 if kind == "cifar100" else 10)
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert (found.multiply_adds == 10_578_600) == (kind != "cifar100")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "model", [{"name": "lenet-notes"}, {"name": "conv3-notes", "dropout": [0.5, 0.2, 0.1]}], ids=lambda m: m["name"]
)
def test_the_process_is_left_as_it_was(model, threads, steps):
    random.seed(1)
    torch.manual_seed(1)
    torch.rand(3)
    before = process()
    config = experiment(model=model, training={"batch_size": 16, "threads": threads, "deterministic": True})
    assert probe(config, Control(), 1.0) is not None
    assert len(steps) > 2
    assert process() == before


def test_kernels_that_were_only_to_be_warned_of_are_so_again(steps):
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        before = process()
        probe(experiment(training={"deterministic": True}), Control(), 0.1)
        assert process() == before
    finally:
        torch.use_deterministic_algorithms(False)
    assert steps


def test_the_process_is_left_as_it_was_by_a_failure_too(monkeypatch):
    def fail(*_):
        torch.rand(3)
        raise MemoryError

    monkeypatch.setattr(Learner, "update", fail)
    before = process()
    with pytest.raises(TrainingError, match=r"out of memory with training\.batch_size=7"):
        probe(experiment(training={"batch_size": 7, "deterministic": True}), Control())
    assert process() == before


def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"training\.device: cuda:99"):
        probe(experiment(training={"device": "cuda:99"}), Control())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_generators_of_gpus_are_left_as_they_were():
    torch.cuda.manual_seed_all(5)
    torch.rand(3, device="cuda")
    before = [state.tolist() for state in torch.cuda.get_rng_state_all()]
    config = experiment(model={"name": "conv3-notes", "dropout": [0.5]}, training={"device": "cuda"})
    assert probe(config, Control(), 0.1).device.startswith("cuda:0 (")
    assert [state.tolist() for state in torch.cuda.get_rng_state_all()] == before


def test_closed_before_it_begins_it_finds_nothing(steps):
    control = Control()
    control.close()
    assert probe(experiment(), control) is None
    assert steps == []


def test_closed_while_images_are_drawn_it_makes_no_step(steps, monkeypatch):
    control, draw = Control(), synthetic.draw_dataset

    def drawn():
        control.close()
        return draw()

    monkeypatch.setattr(synthetic, "draw_dataset", drawn)
    assert probe(experiment(), control) is None
    assert steps == []


@pytest.mark.parametrize("end", [Control.close, Control.stop])
def test_ended_from_another_thread_it_tells_of_the_steps_that_were_made(end, monkeypatch):
    control, under_way, update = Control(), threading.Event(), Learner.update
    made = []

    def counted(self, images, labels):
        made.append(len(images))
        if len(made) == 3:
            under_way.set()
        return update(self, images, labels)

    def wait_and_end():
        under_way.wait()
        end(control)

    monkeypatch.setattr(Learner, "update", counted)
    other = threading.Thread(target=wait_and_end)
    other.start()
    # Without an end from the other thread it would take a thousand years.
    assert probe(experiment(training={"batch_size": 64}), control, 3e10).seconds_per_step > 0
    other.join()


def test_other_requests_are_left_alone(steps):
    control = Control()
    control.pause()
    assert probe(experiment(), control, 1.0) is not None
    assert control.pending
    assert len(steps) == 3
