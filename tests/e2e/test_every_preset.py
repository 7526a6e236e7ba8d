"""Each built-in experiment trains, and reports each of its steps once, in order."""

import pytest
import torch
from torchvision.models import resnet18

from cifar_core.engine import train
from cifar_core.events import Evaluated, RunFinished, StepCompleted
from cifar_experiments.presets import compose, listing

EXPERIMENTS = [listed.name for listed in listing("experiments") if listed.origin == "built-in"]
FEW = (
    "data.kind=synthetic",
    "data.limit=40",
    "training.batch_size=8",
    "training.max_steps=8",
    "training.threads=1",
    "augment.test_time=none",  # else evaluation takes most of the time
)
SMALLER = {
    "densenet-bc-100-12": "densenet-bc-40-12",
    "resnext29-8x64d": "resnext29-2x8d",
    "wrn-28-10": "wrn-16-1",
}
"""Of the same family, since an experiment's model makes a step elsewhere."""


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """Have the file of weights that an experiment starts from lie where torchvision looks for it."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(resnet18().state_dict(), tmp_path / "checkpoints" / "resnet18-f37072fd.pth")


@pytest.fixture
def fewer_test_images(monkeypatch):
    """Evaluate on 200 drawn images."""
    monkeypatch.setattr("cifar_core.data.synthetic.TEST_IMAGES", 200)


@pytest.mark.usefixtures("downloaded", "fewer_test_images")
@pytest.mark.parametrize("name", EXPERIMENTS)
async def test_a_built_in_experiment_trains_and_reports_each_step_once(name):
    model = compose(name).config.model.name
    config = compose(name, overrides=[*FEW, f"model.name={SMALLER.get(model, model)}"]).config
    events = [event async for event in train(config)]
    assert [event.step for event in events if isinstance(event, StepCompleted)] == list(range(1, 9))
    assert all(event.loss is not None for event in events if isinstance(event, StepCompleted))
    assert [event.step for event in events if isinstance(event, Evaluated)] == [5, 8]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason == "completed"


@pytest.mark.parametrize("kind", ["models", "augments", "optimizers", "experiments"])
def test_every_built_in_preset_can_be_used_and_says_what_it_is(kind):
    presets = [listed for listed in listing(kind) if listed.origin == "built-in"]
    assert len(presets) >= 5
    for listed in presets:
        assert listed.error is None
        assert listed.description
