"""A checkpoint of one run begins another one, with another configuration."""

from contextlib import aclosing

import pytest
import torch

from cifar_core import checkpoint
from cifar_core.checkpoint import CheckpointError
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.events import CheckpointSaved, Evaluated, RunFinished, RunStarted, StepCompleted, Warned

PARENT = {
    "model": {"name": "lenet-notes-bn"},
    "data": {"kind": "synthetic", "limit": 100},
    "optimizer": {"name": "sgd", "lr": 0.05, "weight_decay": 5e-4},
    "training": {"epochs": 3, "batch_size": 10, "threads": 1, "device": "cpu"},
}
STEPS_PER_EPOCH = 10


def experiment(**changes):
    tree = {section: dict(values) for section, values in PARENT.items()}
    for section, values in changes.items():
        tree[section] = dict(values) if section == "optimizer" else {**tree[section], **values}
    return Config.model_validate(tree)


async def events_of(config, folder, resume=None, stop_at=None):
    """The events of a training that ends after step ``stop_at``."""
    if stop_at is not None:
        config = config.model_copy(update={"training": config.training.model_copy(update={"max_steps": stop_at})})
    return [event async for event in train(config, None, folder, resume)]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def at(folder):
    state = checkpoint.load(folder).state
    return state["progress"]["epoch"], state["progress"]["step"]


async def test_it_goes_on_where_the_other_was_with_the_new_rate(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    assert at(tmp_path / "parent") == (2, 14)
    events = await events_of(
        experiment(optimizer={"name": "sgd", "lr": 0.01, "weight_decay": 0.0}), tmp_path / "fork", tmp_path / "parent"
    )
    steps = of(StepCompleted, events)
    assert [event.step for event in steps] == list(range(15, 31))
    assert {event.learning_rate for event in steps} == {0.01}
    groups = checkpoint.load(tmp_path / "fork").state["learner"]["optimizer"]["param_groups"]
    assert {group["weight_decay"] for group in groups} == {0.0}
    assert not of(Warned, events)


async def test_its_first_act_is_a_checkpoint_of_its_own_equal_to_the_others(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    async with aclosing(
        train(experiment(training={"epochs": 9}), None, tmp_path / "fork", tmp_path / "parent")
    ) as events:
        async for event in events:
            assert not isinstance(event, StepCompleted)
            if isinstance(event, CheckpointSaved):
                break
    was, now = (checkpoint.load(tmp_path / name).state["learner"] for name in ("parent", "fork"))
    assert all(torch.equal(was["model"][key], now["model"][key]) for key in was["model"])
    momenta = [state["optimizer"]["state"][0]["momentum_buffer"] for state in (was, now)]
    assert torch.equal(*momenta)


async def test_more_epochs_are_made(tmp_path):
    whole = await events_of(experiment(), tmp_path / "parent")
    assert whole[-1].step == 30
    events = await events_of(experiment(training={"epochs": 5}), tmp_path / "fork", tmp_path / "parent")
    assert (events[-1].reason, events[-1].step) == ("completed", 50)
    assert [event.step for event in of(StepCompleted, events)] == list(range(31, 51))


async def test_fewer_epochs_than_were_made_end_it_at_once(tmp_path):
    await events_of(experiment(), tmp_path / "parent")
    events = await events_of(experiment(training={"epochs": 1}), tmp_path / "fork", tmp_path / "parent")
    assert not of(StepCompleted, events)
    assert events[-1].reason == "completed"


@pytest.mark.parametrize(
    ("batch_size", "first"),
    [(20, 8), (5, 29), (7, 21), (100, 2)],
    ids=["larger", "smaller", "no divisor", "an epoch a step"],
)
async def test_with_another_batch_size_it_is_at_the_same_place_among_the_images(batch_size, first, tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    fork = experiment(training={"batch_size": batch_size})
    events = await events_of(fork, tmp_path / "fork", tmp_path / "parent")
    steps = of(StepCompleted, events)
    assert (steps[0].epoch, steps[0].step) == (2, first)
    assert [event.step for event in steps] == list(range(first, events[-1].step + 1))
    assert events[-1].step == of(RunStarted, events)[0].total_steps


async def test_an_epoch_that_was_nearly_over_is_not_begun_again(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=19)
    events = await events_of(experiment(data={"limit": 80}), tmp_path / "fork", tmp_path / "parent")
    assert (of(StepCompleted, events)[0].epoch, events[-1].step) == (3, 24)


async def test_another_kind_of_optimizer_begins_afresh(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    events = await events_of(
        experiment(optimizer={"name": "adamw", "lr": 0.001}), tmp_path / "fork", tmp_path / "parent"
    )
    assert events[-1].reason == "completed"
    state = checkpoint.load(tmp_path / "fork").state["learner"]["optimizer"]["state"]
    assert "exp_avg" in state[0]


async def test_another_model_is_refused_in_one_sentence(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    with pytest.raises(CheckpointError, match="no checkpoint of this experiment") as refused:
        await events_of(experiment(model={"name": "resnet18"}), tmp_path / "fork", tmp_path / "parent")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "fork").exists()


async def test_other_classes_are_refused_by_what_they_change(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    with pytest.raises(CheckpointError, match=r"no checkpoint of this experiment .* size mismatch for "):
        await events_of(experiment(data={"classes": ["disc", "ring"]}), tmp_path / "fork", tmp_path / "parent")


async def test_it_trains_at_its_own_rate_whatever_the_other_ones_was_changed_to(tmp_path):
    control = Control()
    control.change_learning_rate(0.02)
    config = experiment(training={"max_steps": 14})
    async for _ in train(config, control, tmp_path / "parent"):
        pass
    longer = await events_of(experiment(training={"epochs": 4}), tmp_path / "longer", tmp_path / "parent")
    assert {event.learning_rate for event in of(StepCompleted, longer)} == {0.05}


async def test_the_other_run_is_left_as_it_is(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    before = {path: path.read_bytes() for path in (tmp_path / "parent").iterdir()}
    events = await events_of(experiment(training={"epochs": 4}), tmp_path / "fork", tmp_path / "parent")
    assert isinstance(events[-1], RunFinished)
    assert {path: path.read_bytes() for path in (tmp_path / "parent").iterdir()} == before


async def test_in_the_midst_of_an_epoch_it_ends_at_its_last_step_even_if_more_were_made(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    events = await events_of(experiment(training={"max_steps": 12}), tmp_path / "fork", tmp_path / "parent")
    assert not of(StepCompleted, events)
    assert events[-1].step == 14


async def test_what_was_best_and_its_patience_stay_with_the_other_run(tmp_path):
    validated = {"data": {"limit": 100, "validation": 0.2}, "optimizer": {"name": "sgd", "lr": 1e-12}}
    stuck = experiment(**validated, training={"patience": 2, "epochs": 8})
    parent = await events_of(stuck, tmp_path / "parent")
    assert parent[-1].early
    other = experiment(**{**validated, "optimizer": {"name": "sgd", "lr": 0.01}}, training={"epochs": 8})
    events = await events_of(other, tmp_path / "fork", tmp_path / "parent")
    evaluations = [event for event in of(Evaluated, events) if event.split == "val"]
    assert len(evaluations) == 8 - parent[-1].epoch > 0
    assert evaluations[0].best
    assert events[-1].best_top1 == max(event.top1 for event in evaluations)
    assert checkpoint.load_best(tmp_path / "fork").state["progress"]["best_top1"] == events[-1].best_top1


async def test_other_groups_of_parameters_keep_what_is_remembered_of_each(tmp_path):
    await events_of(experiment(), tmp_path / "parent", stop_at=14)
    other = {"name": "sgd", "lr": 0.05, "decayed": "weights", "lr_factors": ["conv1.* = 0.1"]}
    async with aclosing(train(experiment(optimizer=other), None, tmp_path / "fork", tmp_path / "parent")) as events:
        async for event in events:
            if isinstance(event, CheckpointSaved):
                break

    def momenta(folder):
        state = checkpoint.load(folder).state["learner"]["optimizer"]
        return {
            name: state["state"][place]["momentum_buffer"]
            for group in state["param_groups"]
            for name, place in zip(group["param_names"], group["params"], strict=True)
        }

    then, now = momenta(tmp_path / "parent"), momenta(tmp_path / "fork")
    assert list(then) != list(now)
    assert then.keys() == now.keys()
    assert all(torch.equal(then[name], now[name]) for name in then)


@pytest.mark.parametrize("average", ["none", "ema", "swa"])
async def test_an_average_begins_anew(average, tmp_path):
    await events_of(experiment(training={"average": "ema", "ema_decay": 0.9}), tmp_path / "parent", stop_at=14)
    events = await events_of(experiment(training={"average": average}), tmp_path / "fork", tmp_path / "parent")
    assert events[-1].reason == "completed"
    state = checkpoint.load(tmp_path / "fork").state["learner"]["average"]
    # From step 14 to 30 there are 16 steps; the last quarter of the training has the ends of one epoch.
    assert (state and state["count"]) == {"none": None, "ema": 16, "swa": 1}[average]


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"training": {"epochs": 4}}, False),
        ({"training": {"seed": 5}}, True),
        ({"data": {"validation": 0.3}}, True),
        ({"data": {"validation": 0.0}}, False),
    ],
)
async def test_other_images_held_out_than_before_are_warned_of(tmp_path, changes, warned):
    data = {"validation": 0.2}
    await events_of(experiment(data=data), tmp_path / "parent", stop_at=8)
    changes = {
        "data": {**data, **changes.get("data", {})},
        "training": {"max_steps": 10, **changes.get("training", {})},
    }
    events = await events_of(experiment(**changes), tmp_path / "fork", tmp_path / "parent")
    assert ["trained-on-held-out"] * warned == [event.code for event in of(Warned, events)]
