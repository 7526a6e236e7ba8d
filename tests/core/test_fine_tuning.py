"""Trainings that start from weights of others, and leave parts of them as they are."""

from contextlib import aclosing

import pytest
import torch
from checkpoints import same
from torchvision import models

from cifar_core import checkpoint, continuation
from cifar_core.config import Config, Model
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.errors import ConfigError, DataError
from cifar_core.events import RunFinished, RunStarted, StepCompleted, WeightsLoaded
from cifar_core.models import registry, weights_file, whitening
from cifar_core.preparation import prepare
from cifar_core.probe import probe

CONV3 = {
    "model": {"name": "conv3-notes"},
    "data": {"kind": "synthetic", "limit": 60},
    "optimizer": {"name": "sgd", "lr": 0.05, "weight_decay": 5e-4},
    "training": {"epochs": 2, "batch_size": 10, "threads": 1, "device": "cpu"},
}
STEPS = 12


def experiment(**changes):
    tree = {section: {**values, **changes.get(section, {})} for section, values in CONV3.items()}
    return Config.model_validate({**tree, "augment": changes.get("augment", {})})


async def events_of(config, folder=None, resume=None):
    return [event async for event in train(config, None, folder, resume)]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def prepared(config, *, resumed=False):
    steps = prepare(config, resumed=resumed)
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as done:
            done.value.source.close()
            return done.value, events


def weights_of(folder):
    return weights_file.of_checkpoint(folder, "last")


@pytest.fixture
def pretrained(tmp_path):
    """A file of weights for a network with a hundred classes."""
    torch.manual_seed(3)
    network = registry.build(experiment().model, 100)
    path = tmp_path / "pretrained.safetensors"
    path.write_bytes(weights_file.encoded(network.state_dict(), "safetensors"))
    return path


def test_a_training_starts_from_the_weights_and_tells_of_them(pretrained):
    config = experiment(model={"weights": str(pretrained)})
    ready, events = prepared(config)
    (report,) = of(WeightsLoaded, events)
    assert (report.mismatched.count, report.missing.count, report.skipped.count) == (2, 0, 0)
    there, here = weights_file.read(pretrained), ready.learner.model.state_dict()
    assert {name for name in here if not torch.equal(here[name], there[name])} == {"linear3.weight", "linear3.bias"}
    without, _ = prepared(experiment())
    assert torch.equal(here["linear3.weight"], without.learner.model.linear3.weight)


async def test_weights_are_told_of_before_the_start(pretrained):
    events = await events_of(experiment(model={"weights": str(pretrained)}, training={"max_steps": 1}))
    kinds = [type(event) for event in events]
    assert kinds.index(WeightsLoaded) < kinds.index(RunStarted)


async def test_frozen_parts_are_after_the_training_what_they_were_in_the_file(tmp_path, pretrained):
    config = experiment(model={"weights": str(pretrained), "train_only": ["linear3.*"], "freeze_norm": True})
    events = await events_of(config, tmp_path / "c")
    assert of(RunStarted, events)[0].parameters == 84 * 10 + 10
    assert of(RunFinished, events)[0].reason == "completed"
    there, after = weights_file.read(pretrained), weights_of(tmp_path / "c")
    assert {name for name in after if not torch.equal(after[name], there[name])} == {"linear3.weight", "linear3.bias"}
    assert len(checkpoint.load(tmp_path / "c").state["learner"]["optimizer"]["state"]) == 2


async def test_it_goes_on_exactly_even_when_the_file_is_gone(tmp_path, pretrained):
    config = experiment(model={"weights": str(pretrained), "freeze": ["conv1.*", "norm1.*"], "freeze_norm": True})
    await events_of(config, tmp_path / "whole")
    control = Control()
    async with aclosing(train(config, control, tmp_path / "cut")) as events:
        async for event in events:
            if isinstance(event, StepCompleted) and event.step == 5:
                control.stop()
    assert checkpoint.load(tmp_path / "cut").step < STEPS
    pretrained.unlink()
    events = await events_of(config, tmp_path / "cut", tmp_path / "cut")
    assert not of(WeightsLoaded, events)
    whole, cut = (checkpoint.load(tmp_path / name).state["learner"] for name in ("whole", "cut"))
    assert same(whole, cut)


async def test_a_checkpoint_goes_on_wherever_the_weights_lie_by_now(tmp_path, pretrained):
    first = experiment(model={"weights": str(pretrained)}, training={"epochs": 1})
    await events_of(first, tmp_path / "c")
    moved = experiment(model={"weights": str(tmp_path / "elsewhere.pt")}, training={"epochs": 1})
    events = await events_of(moved, tmp_path / "c", tmp_path / "c")
    assert of(RunFinished, events)[0].reason == "completed"


@pytest.fixture
def whitened(tmp_path):
    """A file of an airbench network whose filters are all 7."""
    tensors = registry.build(Model(name="airbench94"), 10).state_dict()
    tensors["whiten.weight"] = torch.full_like(tensors["whiten.weight"], 7)
    torch.save(tensors, tmp_path / "whitened.pt")
    return tmp_path / "whitened.pt"


@pytest.mark.parametrize(("dropped", "are_the_files"), [([], True), (["whiten.*"], False)])
def test_filters_come_from_the_images_unless_the_weights_have_them(whitened, dropped, are_the_files):
    model = {"name": "airbench94", "weights": str(whitened), "drop_weights": dropped}
    ready, _ = prepared(experiment(model=model))
    weight = ready.learner.model.whiten.weight
    assert bool((weight == 7).all()) is are_the_files
    # Only made from images, the second half is the negative of the first.
    assert torch.equal(weight[12:], -weight[:12]) is not are_the_files


def test_filters_come_from_images_all_over_the_training(monkeypatch):
    seen = []
    monkeypatch.setattr(whitening, "IMAGES", 20)
    monkeypatch.setattr(whitening, "whiten", lambda _, images: seen.append(images))
    ready, _ = prepared(experiment(model={"name": "airbench94"}))
    assert torch.equal(seen[0], ready.normalise(ready.train.images[::3]))


def test_a_training_that_goes_on_from_a_checkpoint_makes_no_filters(monkeypatch):
    made = []
    monkeypatch.setattr(whitening, "whiten", lambda *_: made.append(1))
    config = experiment(model={"name": "airbench94"})
    prepared(config, resumed=True)
    assert made == []
    prepared(config)
    assert made == [1]


async def test_a_missing_file_is_told_before_images_are_looked_for(tmp_path):
    config = experiment(
        model={"weights": str(tmp_path / "gone.pt")}, data={"kind": "folder", "root": str(tmp_path / "nothing")}
    )
    with pytest.raises(DataError, match=r"^model\.weights: there is no file .*gone\.pt$"):
        await events_of(config)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"freeze": ["stem.*"]}, r"^model\.freeze: 'stem\.\*' fits no name of the network"),
        ({"train_only": ["head.*"]}, r"^model\.train_only: 'head\.\*' fits no name of the network"),
        ({"drop_weights": ["fc.*"]}, r"^model\.drop_weights: 'fc\.\*' fits no name of the weights"),
    ],
)
def test_a_pattern_that_fits_nothing_ends_the_training_before_it_begins(pretrained, model, sentence):
    with pytest.raises(ConfigError, match=sentence):
        prepared(experiment(model={"weights": str(pretrained), **model}))


def test_a_probe_looks_for_no_weights(tmp_path):
    config = experiment(model={"weights": str(tmp_path / "gone.pt"), "train_only": ["linear3.*"]})
    measured = probe(config, Control(), seconds=0.01)
    assert measured.parameters == 84 * 10 + 10


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Weights of torchvision's where it keeps what it has downloaded."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.manual_seed(1)
    network = models.squeezenet1_1()
    torch.save(network.state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    return network


def test_images_are_normalised_as_published_weights_expect(published):
    model = {"name": "torchvision:squeezenet1_1", "weights": "DEFAULT"}
    ready, events = prepared(experiment(model=model))
    assert of(WeightsLoaded, events)[0].mismatched.count == 2
    assert torch.equal(ready.learner.model.features[3].squeeze.weight, published.features[3].squeeze.weight)
    normalised = ready.normalise(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))[0, :, 0, 0]
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(normalised, expected)


@pytest.mark.parametrize("then", ["DEFAULT", "IMAGENET1K_V1"])
@pytest.mark.parametrize("now", [None, "mine.pt"])
def test_without_published_weights_a_checkpoint_would_go_on_with_other_images(then, now):
    first, second = (experiment(model={"name": "torchvision:resnet18", "weights": each}) for each in (then, now))
    with pytest.raises(checkpoint.CheckpointError, match=r"model\.weights differ"):
        continuation._refuse_another_experiment(first, second)


@pytest.mark.usefixtures("published")
def test_a_normalisation_that_was_asked_for_counts_all_the_same():
    model = {"name": "torchvision:squeezenet1_1", "weights": "DEFAULT"}
    ready, _ = prepared(experiment(model=model, augment={"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}))
    normalised = ready.normalise(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
    torch.testing.assert_close(normalised, torch.ones(1, 3, 32, 32))
