"""A training that goes on from a checkpoint is, on a CPU, the training that was never interrupted."""

import random
from contextlib import aclosing

import pytest
import torch

from cifar_core import checkpoint, continuation
from cifar_core.checkpoint import CheckpointError
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.events import (
    CheckpointSaved,
    EpochCompleted,
    Evaluated,
    LearningRateChanged,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
    Warned,
)

# Everything that draws, remembers or adapts: dropout, batch norm, augmentation, momentum, a schedule, a best.
DEMANDING = {
    "model": {"name": "conv3-notes", "dropout": [0.5, 0.2, 0.1]},
    "data": {"kind": "synthetic", "limit": 100, "validation": 0.2},
    "augment": {"flip": "random", "crop": 4, "cutout": 8},
    "optimizer": {"name": "sgd", "lr": 0.05, "nesterov": True, "weight_decay": 5e-4},
    "schedule": {"name": "onecycle", "warmup_epochs": 0.5},
    "training": {"epochs": 4, "batch_size": 7, "threads": 1, "device": "cpu", "clip_norm": 5.0, "checkpoint_every": 1},
}
STEPS_PER_EPOCH = 12
STEPS = 4 * STEPS_PER_EPOCH
VARIANTS = {
    "as it is": {},
    "adamw in parts": {"optimizer": {"name": "adamw", "lr": 0.01}, "training": {"accumulate": 3}},
    "evaluated by the step": {"training": {"evaluate_every": 5}},
    "alternating flip, no validation": {
        "augment": {"flip": "alternating", "crop": 2, "padding": "reflect"},
        "data": {"validation": 0.0},
    },
    "half precision": {"training": {"precision": "bf16"}},
    "ending within an epoch": {"training": {"max_steps": 41}},
    "muon averaged over steps": {
        "optimizer": {"name": "muon", "weight_decay": 0.1, "rest_decay": 0.01, "lr_epochs": ["conv1.* = 1.5"]},
        "training": {"average": "ema", "ema_decay": 0.9},
    },
    "lion with lookahead, averaged over epochs": {
        "optimizer": {"name": "lion", "lookahead": 5, "decayed": "weights"},
        "training": {"average": "swa", "swa_from": 0.4, "evaluate_every": 5},
    },
    "sam ending within an epoch, averaged over epochs without their last batches": {
        "optimizer": {"name": "sgd", "lr": 0.05, "sam": 0.05, "lr_factors": ["linear* = 0.5"]},
        "training": {"average": "swa", "swa_from": 0.4, "max_steps": 41, "drop_last": True},
    },
    "schedule-free": {
        "optimizer": {"name": "schedule-free-adamw", "decayed": "weights"},
        "schedule": {"name": "constant", "warmup_epochs": 0.5},
        "training": {"evaluate_every": 5},
    },
}


def experiment(**changes):
    tree = {section: dict(values) for section, values in DEMANDING.items()}
    for section, values in changes.items():
        tree[section] = dict(values) if section == "optimizer" else {**tree[section], **values}
    return Config.model_validate(tree)


async def events_of(config, folder, resume=None, control=None):
    stream = train(config, control, folder, resume)
    return [event async for event in stream if not isinstance(event, SystemSampled)]


async def stopped_at(config, folder, step, resume=None):
    """The events of a training that is asked to stop when it reports ``step``."""
    control = Control()
    seen = []
    async for event in train(config, control, folder, resume):
        if not isinstance(event, SystemSampled):
            seen.append(event)
        if isinstance(event, StepCompleted) and event.step == step:
            control.stop()
    return seen


def bare(events):
    """What of the events must be the same in every repetition: all but times, paths and sizes."""
    kept = []
    for event in events:
        match event:
            case StepCompleted():
                kept.append((event.epoch, event.step, event.loss, event.accuracy, event.learning_rate))
            case Evaluated():
                kept.append((event.split, event.step, event.loss, event.confusion, event.best))
            case EpochCompleted():
                kept.append((event.epoch, event.loss, event.accuracy))
    return kept


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def assert_identical(one, other):
    """Two nested states are the same to the last bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_identical(value, other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_identical(a, b)
    else:
        assert one == other


def final_state(folder):
    """What the end of a training must be the same in, however often it was interrupted on its way."""
    state = checkpoint.load(folder).state
    del state["seconds"], state["progress"]["checkpoints"]
    # Python's and NumPy's generators are whatever else in this process has made of them.
    state["generators"] = state["generators"]["torch"]
    return state


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
async def test_interrupted_at_any_steps_it_ends_bit_identical(variant, tmp_path):
    config = experiment(**variant)
    whole = await events_of(config, tmp_path / "whole")
    draw = random.Random(7)
    folder, pieces, resume = tmp_path / "pieces", [], None
    for step in sorted(draw.sample(range(1, 40), 4)):
        pieces += await stopped_at(config, folder, step, resume)
        resume = folder
    pieces += await events_of(config, folder, resume)
    assert bare(pieces) == bare(whole)
    assert_identical(final_state(folder), final_state(tmp_path / "whole"))
    assert [event.step for event in of(StepCompleted, pieces)] == list(range(1, pieces[-1].step + 1))


async def test_left_without_a_word_it_goes_on_from_its_last_epoch(tmp_path):
    config = experiment()
    whole = await events_of(config, tmp_path / "whole")
    async with aclosing(train(config, None, tmp_path / "left")) as stream:
        async for event in stream:
            if isinstance(event, StepCompleted) and event.step == 30:
                break
    rest = await events_of(config, tmp_path / "left", tmp_path / "left")
    [started] = of(RunStarted, rest)
    # The engine may have been further by then, but it saves nothing that has not been seen.
    assert started.resumed_from_step == 24
    assert bare(rest) == bare(whole)[len(bare(whole)) - len(bare(rest)) :]
    assert [event.step for event in of(StepCompleted, rest)] == list(range(started.resumed_from_step + 1, STEPS + 1))
    assert_identical(final_state(tmp_path / "left"), final_state(tmp_path / "whole"))


async def test_a_resumed_training_still_knows_its_best(tmp_path):
    config = experiment()
    before = await stopped_at(config, tmp_path, 40)
    best = max(event.top1 for event in of(Evaluated, before))
    rest = await events_of(config, tmp_path, tmp_path)
    assert rest[-1].best_top1 >= best
    assert all(event.top1 > best for event in of(Evaluated, rest) if event.best)
    assert checkpoint.load_best(tmp_path).state["progress"]["best_top1"] == rest[-1].best_top1


async def test_a_changed_learning_rate_outlives_the_interruption(tmp_path):
    config = experiment(schedule={"name": "constant", "warmup_epochs": 0.0})
    control = Control()
    control.change_learning_rate(0.001)
    async for event in train(config, control, tmp_path):
        if isinstance(event, StepCompleted):
            control.stop()
    rest = await events_of(config, tmp_path, tmp_path)
    assert {event.learning_rate for event in of(StepCompleted, rest)} == {0.001}


async def test_a_training_that_was_complete_makes_no_step_more(tmp_path):
    whole = await events_of(experiment(), tmp_path)
    again = await events_of(experiment(), tmp_path, tmp_path)
    assert not of(StepCompleted, again)
    assert isinstance(again[-1], RunFinished)
    assert (again[-1].step, again[-1].final_top1, again[-1].best_top1) == (
        STEPS,
        whole[-1].final_top1,
        whole[-1].best_top1,
    )


async def test_checkpoints_come_after_epochs_at_the_best_on_request_and_at_the_end(tmp_path):
    control = Control()
    saved = []
    async for event in train(experiment(training={"checkpoint_every": 2}), control, tmp_path):
        if isinstance(event, StepCompleted) and event.step == 30:
            control.checkpoint()
        if isinstance(event, CheckpointSaved):
            saved.append(event)
            assert checkpoint.load(tmp_path).step >= event.step
    plain = [event.step for event in saved if not event.best]
    assert plain[0] == 24
    assert len(plain) == 3
    assert 30 <= plain[1] < STEPS
    assert plain[2] == STEPS
    assert next(event.step for event in saved if event.best) == STEPS_PER_EPOCH


async def test_without_a_folder_nothing_is_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    events = await events_of(experiment(), None)
    assert not of(CheckpointSaved, events)
    assert list(tmp_path.iterdir()) == []


async def test_a_checkpoint_that_cannot_be_saved_is_warned_of_and_the_training_goes_on(tmp_path):
    (tmp_path / "file").touch()
    events = await events_of(experiment(), tmp_path / "file")
    warnings = of(Warned, events)
    assert {event.code for event in warnings} == {"checkpoint-not-saved"}
    assert events[-1].reason == "completed"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"optimizer": {"name": "sgd", "lr": 0.1, "nesterov": True, "weight_decay": 5e-4}}, "optimizer.lr"),
        ({"augment": {"crop": 3}}, "augment.crop"),
        ({"training": {"batch_size": 8}}, "training.batch_size"),
        ({"data": {"limit": 99}}, "data.limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_another_experiment_is_refused_by_the_keys_that_differ(change, key, tmp_path):
    await stopped_at(experiment(), tmp_path, 5)
    with pytest.raises(CheckpointError, match=f"another experiment: {key} differ"):
        await events_of(experiment(**change), tmp_path, tmp_path)


async def test_no_checkpoint_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        await events_of(experiment(), tmp_path, tmp_path)


async def test_a_state_of_another_kind_is_refused(tmp_path):
    checkpoint.save(tmp_path, {"weights": torch.zeros(3)}, step=1)
    with pytest.raises(CheckpointError, match="no checkpoint of this experiment"):
        await events_of(experiment(), tmp_path, tmp_path)


async def test_what_a_state_lacks_is_told(tmp_path):
    await stopped_at(experiment(), tmp_path, 5)
    state = checkpoint.load(tmp_path).state
    del state["learner"]["average"]
    checkpoint.save(tmp_path, state, step=5)
    with pytest.raises(CheckpointError, match="no checkpoint of this experiment and version: it has no 'average'"):
        await events_of(experiment(), tmp_path, tmp_path)


async def test_a_damaged_last_checkpoint_falls_back_and_says_so(tmp_path):
    config = experiment()
    whole = await events_of(config, tmp_path / "whole")
    await stopped_at(config, tmp_path, 30)
    damaged = checkpoint.load(tmp_path).path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    rest = await events_of(config, tmp_path, tmp_path)
    assert [event.code for event in of(Warned, rest)] == ["fell-back"]
    assert of(RunStarted, rest)[0].resumed_from_step == 24
    assert_identical(final_state(tmp_path), final_state(tmp_path / "whole"))
    assert bare(rest) == bare(whole)[-len(bare(rest)) :]


async def test_another_number_of_threads_is_warned_of(tmp_path):
    await stopped_at(experiment(), tmp_path, 5)
    rest = await events_of(experiment(training={"threads": 2}), tmp_path, tmp_path)
    [warning] = of(Warned, rest)
    assert warning.code == "not-exactly-resumed"
    assert "threads was 1, is 2" in warning.message


def test_every_value_of_the_configuration_decides_unless_it_is_named_as_free():
    free = {f"data.{key}" for key in continuation.FREE_IN_DATA}
    free |= {f"training.{key}" for key in continuation.FREE_IN_TRAINING}
    free |= {f"model.{key}" for key in continuation.FREE_IN_MODEL}
    config = experiment()
    every = {
        f"{section}.{key}"
        for section, values in config.model_dump().items()
        if isinstance(values, dict)
        for key in values
    }
    assert free < every
    assert set(continuation._deciding(config)) == every - free


async def test_a_best_one_that_could_not_be_saved_is_not_taken_for_kept(tmp_path, monkeypatch):
    config = experiment(training={"checkpoint_every": 0, "epochs": 6})
    whole = await events_of(config, tmp_path / "whole")
    tops = [event.top1 for event in of(Evaluated, whole) if event.best]
    assert len(tops) > 1
    real, calls = checkpoint.save, []

    def save(folder, state, *, step, best=False):
        calls.append(best)
        if best and calls.count(True) >= len(tops):
            raise CheckpointError("the disk is full")
        return real(folder, state, step=step, best=best)

    monkeypatch.setattr(checkpoint, "save", save)
    events = await events_of(config, tmp_path / "full")
    assert events[-1].best_top1 == tops[-1]
    state = checkpoint.load_best(tmp_path / "full").state["progress"]
    assert state["best_kept"] == state["best_top1"] == tops[-2]
    assert checkpoint.load(tmp_path / "full").state["progress"]["best_kept"] == tops[-2]


async def test_killed_between_the_best_and_the_last_of_the_first_save_it_goes_on_from_the_best(tmp_path):
    config = experiment()
    whole = await events_of(config, tmp_path / "whole")
    await stopped_at(config, tmp_path / "cut", 5)
    (tmp_path / "cut" / "last.json").rename(tmp_path / "cut" / "best.json")
    rest = await events_of(config, tmp_path / "cut", tmp_path / "cut")
    assert [event.code for event in of(Warned, rest)] == ["fell-back"]
    assert bare(rest) == bare(whole)[-len(bare(rest)) :]


async def test_a_changed_rate_is_saved_at_once(tmp_path):
    config = experiment(schedule={"name": "constant", "warmup_epochs": 0.0}, training={"checkpoint_every": 0})
    control, changed = Control(), False
    async with aclosing(train(config, control, tmp_path)) as stream:
        async for event in stream:
            if isinstance(event, StepCompleted) and event.step == 3:
                control.change_learning_rate(0.001)
            changed = changed or isinstance(event, LearningRateChanged)
            if changed and isinstance(event, CheckpointSaved):
                break
    rest = await events_of(config, tmp_path, tmp_path)
    assert {event.learning_rate for event in of(StepCompleted, rest)} == {0.001}


async def test_what_is_to_be_known_of_going_on_comes_after_it_has_begun(tmp_path):
    """So whoever follows from there on is told."""
    config = experiment()
    await stopped_at(config, tmp_path, 30)
    checkpoint.load(tmp_path).path.write_bytes(b"")
    previous = str(checkpoint.load(tmp_path).path)
    rest = await events_of(experiment(training={"threads": 2}), tmp_path, tmp_path)
    kinds = [type(event) for event in rest if not isinstance(event, StepCompleted)]
    assert kinds[kinds.index(RunStarted) :][:3] == [RunStarted, Warned, Warned]
    assert Warned not in kinds[: kinds.index(RunStarted)]
    assert of(RunStarted, rest)[0].checkpoint == previous
