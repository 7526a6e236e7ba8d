"""Batches come from blocks, each image once an epoch, in the order that was drawn."""

import pytest
import torch

from cifar_core.clock import Clock
from cifar_core.data import resident
from cifar_core.data.dataset import Images
from cifar_core.data.resident import batches, shuffled

CPU = torch.device("cpu")


@pytest.fixture
def numbered():
    """100 images, each filled with its number, which is its label too."""
    numbers = torch.arange(100)
    return Images(numbers.to(torch.uint8)[:, None, None, None].expand(100, 3, 32, 32).contiguous(), numbers)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 100, 1000])
@pytest.mark.parametrize("block", [1, 20, 4096])
def test_every_image_comes_once_in_order_with_its_label(numbered, batch_size, block, monkeypatch):
    monkeypatch.setattr(resident, "BLOCK_IMAGES", block)
    order = shuffled(100, 3, CPU)
    blocks = []

    def augment(images, indices, number):
        assert torch.equal(images[:, 0, 0, 0].long(), indices)
        blocks.append(number)
        return images.float()

    seen = list(batches(numbered, order, batch_size, augment, Clock()))
    assert [len(labels) for _, labels in seen[:-1]] == [min(batch_size, 100)] * (len(seen) - 1)
    assert torch.equal(torch.cat([labels for _, labels in seen]), order)
    assert torch.equal(torch.cat([images[:, 2, 31, 31] for images, _ in seen]).long(), order)
    assert blocks == list(range(len(blocks)))


def test_a_seed_gives_one_order_and_another_seed_another():
    assert torch.equal(shuffled(100, 1, CPU), shuffled(100, 1, CPU))
    assert not torch.equal(shuffled(100, 1, CPU), shuffled(100, 2, CPU))
    assert torch.equal(shuffled(100, 1, CPU).sort().values, torch.arange(100))


def test_preparing_a_block_is_charged_to_data_and_the_rest_to_training(numbered):
    now = 0.0
    clock = Clock(lambda: now)

    def augment(images, _indices, _number):
        nonlocal now
        now += 1
        return images.float()

    clock.enter("training")
    for _ in batches(numbered, torch.arange(100), 50, augment, clock):
        now += 10
    assert clock.seconds("data") == 1
    assert clock.seconds("training") == 20
