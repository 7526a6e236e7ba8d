"""What is not a finite number ends a training and never becomes a checkpoint; memory is given back."""

import gc
import weakref

import pytest
import torch

from cifar_core import checkpoint, trainer
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.errors import TrainingError
from cifar_core.events import CheckpointSaved, RunFinished, StepCompleted
from cifar_core.learner import Learner

TREE = {
    "data": {"kind": "synthetic", "limit": 60},
    "optimizer": {"name": "sgd", "lr": 0.01},
    "training": {"epochs": 3, "batch_size": 10, "threads": 1, "device": "cpu", "checkpoint_every": 1},
}
STEPS_PER_EPOCH = 6


@pytest.fixture
def spoiled(monkeypatch):
    """Calls a function with the learner after its n-th update."""

    def after(number, spoil):
        update = Learner.update
        made = 0

        def updated(self, images, labels):
            nonlocal made
            result = update(self, images, labels)
            made += 1
            if made == number:
                spoil(self)
            return result

        monkeypatch.setattr(Learner, "update", updated)

    return after


def put_nan(learner):
    with torch.no_grad():
        next(learner.model.parameters())[0] = float("nan")


async def events_of(control, folder):
    return [event async for event in train(Config.model_validate(TREE), control, folder)]


async def test_a_step_whose_loss_is_not_finite_ends_it_with_the_last_good_checkpoint(spoiled, tmp_path):
    spoiled(STEPS_PER_EPOCH + 3, put_nan)
    events = await events_of(None, tmp_path)
    finished = events[-1]
    assert (finished.reason, finished.step) == ("diverged", STEPS_PER_EPOCH + 4)
    assert "loss was not a finite number at step 10" in finished.error
    assert checkpoint.load(tmp_path).step == STEPS_PER_EPOCH
    assert finished.checkpoint == str(checkpoint.load(tmp_path).path)


async def test_weights_that_are_not_finite_are_never_saved_though_no_loss_told_of_it_yet(spoiled, tmp_path):
    # After the last step of an epoch: the loss of that step was still a number.
    spoiled(2 * STEPS_PER_EPOCH, put_nan)
    events = await events_of(None, tmp_path)
    losses = [event.loss for event in events if isinstance(event, StepCompleted)]
    assert len(losses) == 2 * STEPS_PER_EPOCH
    assert None not in losses
    assert events[-1].reason == "diverged"
    assert [event.step for event in events if isinstance(event, CheckpointSaved)] == [STEPS_PER_EPOCH]
    assert checkpoint.load(tmp_path).step == STEPS_PER_EPOCH


async def test_nor_when_somebody_asks_for_a_checkpoint(spoiled, tmp_path):
    control = Control()

    def spoil(learner):
        put_nan(learner)
        control.checkpoint()

    spoiled(4, spoil)
    events = await events_of(control, tmp_path)
    assert "weights were not finite numbers after step 4" in events[-1].error
    assert not any(isinstance(event, CheckpointSaved) for event in events)
    assert events[-1].checkpoint is None


def test_statistics_of_batch_norm_count_as_well():
    learner = Learner(Config.model_validate({**TREE, "model": {"name": "lenet-notes-bn"}}), 10, torch.device("cpu"))
    assert learner.is_finite()
    next(buffer for name, buffer in learner.model.named_buffers() if "running" in name)[0] = float("inf")
    assert not learner.is_finite()


async def test_out_of_memory_is_one_sentence_and_the_next_training_of_the_process_works(spoiled, tmp_path):
    models = []

    def run_out(learner):
        models.append(weakref.ref(learner.model))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    spoiled(STEPS_PER_EPOCH + 2, run_out)
    events = []
    with pytest.raises(TrainingError, match=r"out of memory with training.batch_size=10; try a smaller one"):
        async for event in train(Config.model_validate(TREE), None, tmp_path):
            events.append(event)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].checkpoint == str(checkpoint.load(tmp_path).path)
    gc.collect()
    assert models[0]() is None
    again = await events_of(None, tmp_path / "again")
    assert again[-1].reason == "completed"


def test_what_the_processor_says_when_memory_is_short_is_understood():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    explained = trainer._explained(refused.value, Config.model_validate(TREE))
    assert str(explained).startswith("out of memory with training.batch_size=10")
