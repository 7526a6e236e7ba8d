"""Blocks from worker processes are those of the resident loader, and no process outlives its training."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import aclosing

import psutil
import pytest
import torch

from cifar_core import generators, preparation, trainer
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.data import resident, synthetic, worker_count
from cifar_core.data.dataset import Images
from cifar_core.data.resident import Resident
from cifar_core.data.workers import UNHEARD, Workers
from cifar_core.engine import train
from cifar_core.errors import TrainingError
from cifar_core.events import Evaluated, Preparing, StepCompleted, Warned

CPU = torch.device("cpu")
pytestmark = pytest.mark.slow  # the first one starts a process that imports torch

EXPERIMENT = {
    "model": {"name": "conv3-notes", "dropout": [0.5, 0.2, 0.1]},
    "data": {"kind": "synthetic"},
    "augment": {"flip": "random", "crop": 4},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "training": {"epochs": 2, "batch_size": 10, "evaluate_every": 8, "threads": 1, "device": "cpu"},
}
STEPS = 24


def experiment(loader, **changes):
    data = {**EXPERIMENT["data"], **loader}
    return Config.model_validate({**EXPERIMENT, "data": data, **changes})


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (300, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(300) % 10)


def worker_processes():
    """The workers' server is this process's child, and they are its."""
    return [child for child in psutil.Process().children(recursive=True) if child.ppid() != os.getpid()]


def all_blocks(source, first=0):
    generator = torch.Generator().manual_seed(1)
    orders = [torch.randperm(300, generator=generator) for _ in range(2)]
    return [block for epoch, order in enumerate(orders, 1) for block in source.blocks(epoch, order, 64, first)]


@pytest.mark.parametrize("count", [0, 2])
def test_blocks_are_those_of_the_resident_loader_whoever_makes_them(images, count):
    expected = all_blocks(Resident(images, CPU)), all_blocks(Resident(images, CPU), first=3)
    with contextlib.closing(Workers(images, CPU, None, count)) as source:
        for found, wanted in zip((all_blocks(source), all_blocks(source, first=3)), expected, strict=True):
            assert [len(block) for block in found] == [len(block) for block in wanted]
            assert all(map(torch.equal, found, wanted))
        assert len(worker_processes()) == count
    assert not worker_processes()


def test_an_epoch_that_was_left_in_its_midst_leaves_nothing_to_the_next(images):
    with contextlib.closing(Workers(images, CPU, None, 1)) as source:
        left = source.blocks(1, torch.arange(300), 10, 0)
        assert torch.equal(next(left), images.images[:10])
        left.close()
        assert all(map(torch.equal, all_blocks(source), all_blocks(Resident(images, CPU))))


def test_workers_draw_nothing_from_the_generators_of_the_process(images):
    def states():
        drawn = generators.states(CPU)
        return drawn["python"], drawn["numpy"], drawn["torch"].tolist()

    before = states()
    for count in (0, 1):
        with contextlib.closing(Workers(images, CPU, None, count)) as source:
            all_blocks(source)
    assert states() == before


def test_what_a_terminal_or_a_batch_system_sends_to_all_reaches_no_worker(images):
    with contextlib.closing(Workers(images, CPU, None, 1)) as source:
        received = source.blocks(1, torch.arange(300), 10, 0)
        next(received)
        [worker] = worker_processes()
        for number in UNHEARD:
            worker.send_signal(number)
            worker.parent().send_signal(number)
        assert len(list(received)) == 29
        assert worker.is_running()


def test_a_worker_that_was_killed_is_an_error_and_no_wait_for_ever(images):
    with contextlib.closing(Workers(images, CPU, None, 1)) as source:
        received = source.blocks(1, torch.arange(300), 10, 0)
        next(received)
        [worker] = worker_processes()
        worker.kill()
        with pytest.raises(TrainingError, match=r"data\.loader=workers: .+; data\.workers=0"):
            list(received)


def test_the_number_of_workers_that_is_fastest_is_taken_and_told(monkeypatch):
    rates = {0: 100.0, 1: 90.0, 2: 200.0, 4: 215.0, 8: 400.0}
    monkeypatch.setattr(worker_count, "_cores", lambda: 12)
    monkeypatch.setattr(worker_count, "_images_per_second", lambda source, _size: rates[source.count])
    *measured, found = worker_count.fastest(lambda count: _Counted(count), 64)
    # Four are hardly faster than two, so eight are not tried.
    assert [event.done for event in measured] == [0, 1, 2, 4]
    assert {(event.phase, event.subject) for event in measured} == {("measure", "data.workers")}
    assert found.subject == (
        "data.workers: 100 images/s with 0, 90 images/s with 1, 200 images/s with 2, 215 images/s with 4; taking 2"
    )


class _Counted:
    def __init__(self, count):
        self.count = count

    def close(self):
        pass


@pytest.fixture
def few_images(monkeypatch):
    """Drawn quickly, and several blocks of them."""
    monkeypatch.setattr(synthetic, "TRAIN_IMAGES", 120)
    monkeypatch.setattr(synthetic, "TEST_IMAGES", 40)
    monkeypatch.setattr(resident, "BLOCK_IMAGES", 30)


def figures(config, folder=None, resume=None, stop_at=None):
    """The loss of every step and each accuracy; the training stops after step ``stop_at``, which it evaluates at."""
    control, found = Control(), {}
    for event in trainer.run(config, control, checkpoint_dir=folder, resume=resume):
        assert not isinstance(event, Warned)
        if isinstance(event, StepCompleted):
            found[event.step] = event.loss
            if event.step == stop_at:
                control.stop()
        elif isinstance(event, Evaluated):
            found["top1", event.step] = event.top1
    return found


@pytest.mark.usefixtures("few_images")
def test_a_training_makes_the_same_steps_with_workers_and_goes_on_with_another_loader(tmp_path):
    whole = figures(experiment({}))
    assert set(whole) == {*range(1, STEPS + 1), *(("top1", step) for step in (8, 16, STEPS))}
    workers = experiment({"loader": "workers", "workers": 1})
    assert figures(workers) == whole
    begun = figures(workers, tmp_path, stop_at=16)
    assert set(begun) == {*range(1, 17), ("top1", 8)}
    rest = figures(experiment({"loader": "workers", "workers": 0}), tmp_path, resume=tmp_path)
    assert {**begun, **rest} == whole


@pytest.mark.usefixtures("few_images")
def test_measuring_workers_changes_no_step(monkeypatch):
    monkeypatch.setattr(worker_count, "SECONDS", 0.01)
    monkeypatch.setattr(worker_count, "_cores", lambda: 1)
    measured, losses = [], {}
    for event in trainer.run(experiment({"loader": "workers"}), Control()):
        if isinstance(event, Preparing):
            measured.append(event.subject.partition(":")[0])
        elif isinstance(event, StepCompleted):
            losses[event.step] = event.loss
    assert measured == ["data.workers"] * 3
    assert losses.items() <= (figures(experiment({}))).items()


@pytest.mark.parametrize("ending", ["completed", "closed", "failed"])
@pytest.mark.usefixtures("few_images")
async def test_no_worker_is_left_however_a_training_ends(ending, monkeypatch):
    def failing(*_batch):
        assert worker_processes()
        raise MemoryError

    if ending == "failed":
        monkeypatch.setattr(preparation.Learner, "update", failing)
    with pytest.raises(TrainingError) if ending == "failed" else contextlib.nullcontext():
        async with aclosing(train(experiment({"loader": "workers", "workers": 1}))) as events:
            async for event in events:
                if ending == "closed" and isinstance(event, StepCompleted):
                    break
    assert not worker_processes()


TRAINING = """
import asyncio, os, psutil
from cifar_core.config import Config
from cifar_core.engine import train
from cifar_core.events import StepCompleted

async def run(config):
    async for event in train(config):
        if isinstance(event, StepCompleted) and event.step == 1:
            print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)

asyncio.run(run(Config.model_validate({tree})))
"""


@pytest.mark.parametrize("how", ["killed", "left at once"])
def test_no_process_outlives_the_one_that_trains(how):
    tree = experiment({"loader": "workers", "workers": 2}, training={**EXPERIMENT["training"], "epochs": 10_000})
    program = TRAINING.replace("{tree}", repr(tree.model_dump()))
    if how == "left at once":  # as a second Ctrl+C does
        program = program.replace("flush=True)", "flush=True); os._exit(130)")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        others = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert len(others) == 4  # two workers, their server, and Python's tracker of what processes share
    _, alive = psutil.wait_procs(others, timeout=20)
    assert not alive


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("count", [0, 2])
def test_blocks_are_copied_to_the_gpu_ahead_and_are_the_same(images, count):
    gpu = torch.device("cuda", 0)
    with contextlib.closing(Workers(images, gpu, None, count)) as source:
        found = all_blocks(source)
        assert {block.device for block in found} == {gpu}
        assert all(map(torch.equal, [block.cpu() for block in found], all_blocks(Resident(images, CPU))))
