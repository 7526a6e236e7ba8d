"""A training that does not become better any more ends early, whenever it was interrupted."""

import pytest

from cifar_core import checkpoint
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.errors import ConfigError
from cifar_core.events import Evaluated, RunFinished, RunStarted, StepCompleted
from cifar_core.validation import parse

# With so small a rate nothing is learned: the first evaluation stays the best one.
STUCK = {
    "data": {"kind": "synthetic", "limit": 60, "validation": 0.2},
    "optimizer": {"name": "sgd", "lr": 1e-12},
    "training": {"epochs": 20, "batch_size": 8, "threads": 1, "device": "cpu", "patience": 3, "checkpoint_every": 1},
}
STEPS_PER_EPOCH = 6


def stuck(**training):
    return Config.model_validate({**STUCK, "training": {**STUCK["training"], **training}})


async def events_of(config, folder=None, resume=None, stop_at=None):
    control, seen = Control(), []
    async for event in train(config, control, folder, resume):
        seen.append(event)
        if isinstance(event, StepCompleted) and event.step == stop_at:
            control.stop()
    return seen


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


async def test_it_ends_after_so_many_evaluations_without_a_better_one():
    events = await events_of(stuck())
    assert [event.best for event in of(Evaluated, events) if event.split == "val"] == [True, False, False, False]
    finished = events[-1]
    assert (finished.reason, finished.early, finished.step) == ("completed", True, 4 * STEPS_PER_EPOCH)
    assert finished.final_top1 is not None


async def test_evaluating_by_the_step_it_may_end_within_an_epoch():
    events = await events_of(stuck(evaluate_every=4, patience=2))
    assert (events[-1].early, events[-1].step) == (True, 12)
    events = await events_of(stuck(evaluate_every=5, patience=2))
    assert (events[-1].early, events[-1].step) == (True, 15)


async def test_without_patience_all_steps_are_made():
    finished = (await events_of(stuck(patience=None, epochs=5)))[-1]
    assert (finished.early, finished.step) == (False, 5 * STEPS_PER_EPOCH)


async def test_an_interrupted_training_counts_on_and_still_knows_its_best(tmp_path):
    whole = await events_of(stuck(), tmp_path / "whole")
    first = await events_of(stuck(), tmp_path / "pieces", stop_at=14)
    assert first[-1].reason == "stopped"
    rest = await events_of(stuck(), tmp_path / "pieces", tmp_path / "pieces")
    assert of(RunStarted, rest)[0].resumed_from_step >= 14
    assert not any(event.best for event in of(Evaluated, rest))
    assert (rest[-1].step, rest[-1].early, rest[-1].best_top1) == (whole[-1].step, True, whole[-1].best_top1)
    assert checkpoint.load_best(tmp_path / "pieces").step == STEPS_PER_EPOCH


async def test_one_that_had_ended_early_makes_no_step_more(tmp_path):
    await events_of(stuck(), tmp_path)
    again = await events_of(stuck(), tmp_path, tmp_path)
    assert not of(StepCompleted, again)
    assert isinstance(again[-1], RunFinished)
    assert again[-1].early


def test_patience_needs_images_that_may_be_looked_at():
    with pytest.raises(ConfigError, match=r"^training\.patience: needs data\.validation above 0"):
        parse({"training": {"patience": 3}})
