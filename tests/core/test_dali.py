"""Blocks through DALI are those of the resident loader; without the library, a sentence says what installs it."""

import sys

import pytest
import torch

from cifar_core.config import Config
from cifar_core.data import dali, resident, synthetic
from cifar_core.data.dataset import Images
from cifar_core.data.resident import Resident
from cifar_core.engine import train
from cifar_core.errors import ConfigError
from cifar_core.events import StepCompleted

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


def experiment(loader):
    return Config.model_validate(
        {
            "model": {"name": "lenet-notes"},
            "data": {"kind": "synthetic", "loader": loader},
            "augment": {"flip": "random", "crop": 4},
            "training": {"epochs": 2, "batch_size": 10, "threads": 1, "device": "cpu"},
        }
    )


async def losses(loader):
    return [event.loss async for event in train(experiment(loader)) if isinstance(event, StepCompleted)]


async def test_a_missing_library_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nvidia.dali", None)
    with pytest.raises(ConfigError, match=r'^data\.loader: DALI is not installed; pip install "cifar-tui\[dali\]"$'):
        await losses("dali")


@pytest.mark.parametrize("where", DEVICES)
def test_blocks_are_those_of_the_resident_loader(where):
    pytest.importorskip("nvidia.dali")
    device = torch.device(where, 0) if where == "cuda" else torch.device(where)
    generator = torch.Generator().manual_seed(0)
    images = Images(torch.randint(256, (300, 3, 32, 32), dtype=torch.uint8, generator=generator), torch.arange(300))
    through, resident_ones = dali.Dali(images, device), Resident(images, torch.device("cpu"))
    for epoch, first in ((1, 0), (2, 3), (3, 5)):
        order = torch.randperm(300, generator=generator)
        found = list(through.blocks(epoch, order.to(device), 64, first))
        wanted = list(resident_ones.blocks(epoch, order, 64, first))
        assert len(found) == 5 - first
        assert {block.device for block in found} <= {device}
        assert all(torch.equal(block.cpu(), other) for block, other in zip(found, wanted, strict=True))
    through.close()


async def test_a_training_makes_the_same_steps(monkeypatch):
    pytest.importorskip("nvidia.dali")
    monkeypatch.setattr(synthetic, "TRAIN_IMAGES", 120)
    monkeypatch.setattr(synthetic, "TEST_IMAGES", 40)
    monkeypatch.setattr(resident, "BLOCK_IMAGES", 30)
    found = await losses("dali")
    assert len(found) == 24
    assert found == await losses("resident")
