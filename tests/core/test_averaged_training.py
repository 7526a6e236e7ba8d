"""A training that averages its weights evaluates the average, and leaves it in its checkpoints."""

import pytest
import torch
from generators import finished

from cifar_core import checkpoint, preparation
from cifar_core.config import Config
from cifar_core.engine import train
from cifar_core.evaluate import evaluate
from cifar_core.events import Evaluated
from cifar_core.preparation import prepare


def experiment(optimizer=None, **training):
    return Config.model_validate(
        {
            "model": {"name": "lenet-notes-bn"},
            "data": {"kind": "synthetic", "limit": 60, "validation": 0.2},
            "optimizer": optimizer or {"lr": 0.05},
            "training": {"epochs": 4, "batch_size": 8, "threads": 1, "device": "cpu", **training},
        }
    )


AVERAGED = {
    "ema": experiment(average="ema", ema_decay=0.9),
    "swa": experiment(average="swa", swa_from=0.5),
    "schedule-free": experiment({"name": "schedule-free-adamw", "lr": 0.01}),
}


def confusion(prepared, weights, split):
    """Of a network with these weights, on the images of ``split``."""
    prepared.learner.model.load_state_dict(weights)
    result = evaluate(
        prepared.learner.model,
        split.images,
        split.labels,
        normalise=prepared.normalise,
        loss=prepared.learner.loss,
        classes=10,
        batch_size=500,
    )
    return result.confusion


@pytest.mark.parametrize("config", AVERAGED.values(), ids=AVERAGED)
async def test_what_is_evaluated_is_the_average_and_the_checkpoint_holds_both(config, tmp_path):
    events = [event async for event in train(config, None, tmp_path)]
    state = checkpoint.load(tmp_path).state["learner"]
    [tested] = [event for event in events if isinstance(event, Evaluated) and event.split == "test"]
    _, prepared = finished(prepare(config))
    assert state["average"]["count"] > 0
    assert confusion(prepared, state["average"]["model"], prepared.test) == tested.confusion
    assert confusion(prepared, state["model"], prepared.test) != tested.confusion


@pytest.mark.parametrize("config", AVERAGED.values(), ids=AVERAGED)
async def test_the_best_checkpoint_holds_the_average_that_was_best(config, tmp_path):
    events = [event async for event in train(config, None, tmp_path)]
    best = [event for event in events if isinstance(event, Evaluated) and event.best][-1]
    loaded = checkpoint.load_best(tmp_path)
    assert loaded.step == best.step
    _, prepared = finished(prepare(config))
    average = loaded.state["learner"]["average"]
    weights = average["model"] if average["count"] else loaded.state["learner"]["model"]
    assert confusion(prepared, weights, prepared.val) == best.confusion


def test_the_sample_for_statistics_is_always_the_same_part_of_the_training_images(monkeypatch):
    _, prepared = finished(prepare(experiment()))
    whole = prepared.normalise(prepared.train.images)
    drawn = torch.cat(list(prepared.sample()))
    assert torch.equal(drawn.flatten(1).sort(0).values, whole.flatten(1).sort(0).values)
    monkeypatch.setattr(preparation, "SAMPLE_IMAGES", 11)
    monkeypatch.setattr(preparation, "SAMPLE_BATCH", 5)
    batches, again = list(prepared.sample()), list(prepared.sample())
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert all(torch.equal(one, other) for one, other in zip(batches, again, strict=True))
