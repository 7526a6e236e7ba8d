"""A training that is asked to stop after its epoch makes all of that epoch, and goes on from there exactly."""

from contextlib import closing

import pytest
import torch

from cifar_core import checkpoint, trainer
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.events import (
    CheckpointSaved,
    EpochCompleted,
    Evaluated,
    LearningRateChanged,
    Paused,
    Resumed,
    RunFinished,
    StepCompleted,
)

TREE = {
    "model": {"name": "lenet-notes-bn"},
    "data": {"kind": "synthetic", "limit": 40},
    "augment": {"flip": "random", "crop": 2},
    "optimizer": {"lr": 0.05},
    "schedule": {"name": "cosine"},
    "training": {"epochs": 3, "batch_size": 8, "threads": 1, "device": "cpu", "checkpoint_every": 0},
}
STEPS_PER_EPOCH = 5


def experiment(data=None, **training):
    tree = {**TREE, "data": {**TREE["data"], **(data or {})}, "training": {**TREE["training"], **training}}
    return Config.model_validate(tree)


def events_of(config, control=None, at=None, ask=None, **options):
    """All events; ``ask`` is called at the first one that ``at`` is true of, before the training goes on."""
    seen = []
    with closing(trainer.run(config, control or Control(), **options)) as events:
        for event in events:
            seen.append(event)
            if ask is not None and at(event):
                ask()
                ask = None
    assert ask is None
    return seen


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def bare(events):
    kept = []
    for event in events:
        match event:
            case StepCompleted():
                kept.append((event.epoch, event.step, event.loss, event.accuracy, event.learning_rate))
            case Evaluated():
                kept.append((event.split, event.step, event.loss, event.confusion))
            case EpochCompleted():
                kept.append((event.epoch, event.loss, event.accuracy))
    return kept


def weights(folder):
    return checkpoint.load(folder).state["learner"]["model"]


def step(number):
    return lambda event: isinstance(event, StepCompleted) and event.step == number


def test_the_epoch_is_completed_and_evaluated_and_then_the_run_is_stopped_and_saved(tmp_path):
    control = Control()
    events = events_of(experiment(), control, step(2), control.stop_after_epoch, checkpoint_dir=tmp_path)
    kinds = [type(event) for event in events if not isinstance(event, StepCompleted)]
    assert kinds[-5:-3] == [Evaluated, EpochCompleted]
    assert kinds[-2:] == [CheckpointSaved, RunFinished]
    assert (events[-1].reason, events[-1].epoch, events[-1].step) == ("stopped", 1, STEPS_PER_EPOCH)
    assert len(of(CheckpointSaved, events)) == 1
    assert checkpoint.load(tmp_path).step == STEPS_PER_EPOCH


@pytest.mark.parametrize(
    "config",
    [experiment(), experiment({"validation": 0.2}), experiment(evaluate_every=3), experiment(max_steps=13)],
    ids=["plain", "validation", "evaluated by the step", "ending within an epoch"],
)
def test_it_goes_on_from_there_as_if_never_stopped(config, tmp_path):
    whole = events_of(config, checkpoint_dir=tmp_path / "whole")
    control = Control()
    first = events_of(config, control, step(6), control.stop_after_epoch, checkpoint_dir=tmp_path / "parts")
    rest = events_of(config, checkpoint_dir=tmp_path / "parts", resume=tmp_path / "parts")
    assert (first[-1].reason, rest[-1].reason) == ("stopped", "completed")
    assert first[-1].step < rest[-1].step == whole[-1].step
    assert bare(first) + bare(rest) == bare(whole)
    ours, theirs = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_asked_for_before_the_training_it_makes_one_epoch():
    control = Control()
    control.stop_after_epoch()
    assert events_of(experiment(), control)[-1].step == STEPS_PER_EPOCH


def test_asked_for_while_the_epoch_is_evaluated_no_other_one_begins():
    control = Control()
    events = events_of(experiment(), control, lambda e: isinstance(e, Evaluated), control.stop_after_epoch)
    assert (events[-1].reason, events[-1].step) == ("stopped", STEPS_PER_EPOCH)


@pytest.mark.parametrize(
    ("config", "asked_at", "steps"),
    [(experiment(), 12, 15), (experiment(max_steps=13), 11, 13), (experiment(max_steps=10), 7, 10)],
    ids=["last", "within an epoch", "at the end of one"],
)
def test_in_its_last_epoch_a_training_completes(config, asked_at, steps, tmp_path):
    control = Control()
    events = events_of(config, control, step(asked_at), control.stop_after_epoch, checkpoint_dir=tmp_path)
    assert (events[-1].reason, events[-1].step) == ("completed", steps)
    assert of(Evaluated, events)[-1].split == "test"
    assert of(Evaluated, events)[-1].step == steps


def test_one_that_runs_out_of_patience_in_that_epoch_completes():
    control = Control()
    # With steps too small to change any prediction, the first evaluation stays the best.
    config = experiment({"validation": 0.2}, patience=1)
    config = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"lr": 1e-30})})
    events = events_of(config, control, lambda e: isinstance(e, EpochCompleted), None)
    assert (events[-1].reason, events[-1].early, events[-1].epoch) == ("completed", True, 2)
    events = events_of(config, control, step(5), control.stop_after_epoch)
    assert (events[-1].reason, events[-1].early, events[-1].epoch) == ("completed", True, 2)
    assert of(Evaluated, events)[-1].split == "test"


def test_a_pause_stays_one_and_is_resumed_into_the_rest_of_the_epoch():
    control = Control()

    def ask():
        control.stop_after_epoch()
        control.resume()

    control.pause()
    events = events_of(experiment(), control, lambda event: isinstance(event, Paused), ask)
    # Had the pause been lifted before, there would have been nothing to resume.
    assert [event.step for event in of(Resumed, events)] == [0]
    assert [event.step for event in of(EpochCompleted, events)] == [STEPS_PER_EPOCH]
    assert events[-1].reason == "stopped"


def test_a_plain_stop_still_ends_at_once():
    control = Control()

    def ask():
        control.stop_after_epoch()
        control.stop()

    control.pause()
    events = events_of(experiment(), control, lambda event: isinstance(event, Paused), ask)
    assert not of(EpochCompleted, events)
    assert (events[-1].reason, events[-1].step) == ("stopped", 0)


def test_what_else_was_asked_for_in_the_epoch_is_done_before_the_stop():
    control = Control()

    def ask():
        control.stop_after_epoch()
        control.change_learning_rate(0.25)

    events = events_of(experiment(), control, lambda event: isinstance(event, EpochCompleted), ask)
    [changed] = of(LearningRateChanged, events)
    assert changed.step == events[-1].step == STEPS_PER_EPOCH


def test_a_close_between_the_epochs_reports_nothing_more():
    control = Control()

    def ask():
        control.stop_after_epoch()
        control.close()

    events = events_of(experiment(), control, lambda event: isinstance(event, EpochCompleted), ask)
    assert isinstance(events[-1], EpochCompleted)
