"""Batches come from blocks, each image once an epoch, in the order that was drawn."""

from functools import partial

import pytest
import torch

from cifar_core.clock import Clock
from cifar_core.data import resident
from cifar_core.data.dataset import Images
from cifar_core.data.resident import Resident, batches, shuffled

CPU = torch.device("cpu")


@pytest.fixture
def numbered():
    """100 images, each filled with its number, which is its label too."""
    numbers = torch.arange(100)
    return Images(numbers.to(torch.uint8)[:, None, None, None].expand(100, 3, 32, 32).contiguous(), numbers)


def numbered_batches(numbered, order, batch_size, augment, clock=None, start=0):
    load = partial(Resident(numbered, CPU).blocks, 1)
    return batches(load, numbered.labels, order, batch_size, augment, clock or Clock(), start)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 100, 1000])
@pytest.mark.parametrize("block", [1, 20, 4096])
def test_every_image_comes_once_in_order_with_its_label(numbered, batch_size, block, monkeypatch):
    monkeypatch.setattr(resident, "BLOCK_IMAGES", block)
    order = shuffled(100, 3, CPU)
    blocks = []

    def augment(images, labels, indices, number):
        assert torch.equal(images[:, 0, 0, 0].long(), indices)
        blocks.append(number)
        return images.float(), labels

    seen = list(numbered_batches(numbered, order, batch_size, augment))
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

    def augment(images, labels, _indices, _number):
        nonlocal now
        now += 1
        return images.float(), labels

    clock.enter("training")
    for _ in numbered_batches(numbered, torch.arange(100), 50, augment, clock):
        now += 10
    assert clock.seconds("data") == 1
    assert clock.seconds("training") == 20


@pytest.mark.parametrize("start", [0, 1, 4, 5, 9, 14, 15])
def test_what_is_left_out_at_the_beginning_changes_nothing_of_the_rest(numbered, start, monkeypatch):
    monkeypatch.setattr(resident, "BLOCK_IMAGES", 35)
    order = shuffled(100, 3, CPU)

    def augment(images, labels, indices, number):
        return images.float() + number, 1000 * labels + indices

    whole = list(numbered_batches(numbered, order, 7, augment))
    rest = list(numbered_batches(numbered, order, 7, augment, start=start))
    assert len(rest) == 15 - start
    for (images, targets), (expected_images, expected_targets) in zip(rest, whole[start:], strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(targets, expected_targets)
