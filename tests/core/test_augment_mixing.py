"""Mixup and cutmix, each image by a share of its own, with others of its batch; as torchvision does it by the batch."""

from __future__ import annotations

import pytest
import torch
from augmenting import BYTES, assert_same_distribution, assert_uncorrelated, augmented, noise, with_targets
from torchvision.transforms import v2

from cifar_core.augment.mixing import mixed
from cifar_core.config import Augment

MIXUP, CUTMIX, BOTH = Augment(mixup=0.4), Augment(cutmix=1.0), Augment(mixup=0.4, cutmix=1.0)


def numbered(count, config, *, batch_size=None, seed=0, side=32):
    """Images filled with their own number, mixed, and the share of each in each."""
    numbers = torch.arange(count)
    images = numbers.float().view(-1, 1, 1, 1).repeat(1, 3, side, side)
    return mixed(images, numbers, config, count, batch_size or count, seed)


def partners_and_shares(targets):
    """Which other image each has been mixed with, and its own share; of those that met another."""
    own = targets.diagonal()
    others = targets - torch.diag(own)
    return torch.arange(len(targets))[own < 1], others.argmax(1)[own < 1], own[own < 1]


# What is mixed


@pytest.mark.parametrize("config", [MIXUP, CUTMIX, BOTH])
def test_targets_are_the_shares_of_two_classes(config):
    _, targets = numbered(100, config)
    assert (targets.dtype, targets.shape) == (torch.float32, (100, 100))
    torch.testing.assert_close(targets.sum(1), torch.ones(100))
    assert targets.min() >= 0
    assert (targets > 0).sum(1).max() == 2


def test_images_of_one_class_keep_their_label():
    images = noise(50).float()
    _, targets = mixed(images, torch.full((50,), 3), BOTH, 10, 50, 0)
    torch.testing.assert_close(targets, torch.eye(10)[torch.full((50,), 3)])


def test_mixup_adds_up_two_images_by_the_shares_of_their_labels():
    originals = noise(100).float()
    images, targets = mixed(originals, torch.arange(100), MIXUP, 100, 100, 0)
    expected = (targets @ originals.flatten(1)).view_as(originals)
    torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-3)


def test_cutmix_pastes_a_rectangle_of_the_share_that_the_label_tells():
    images, targets = numbered(300, CUTMIX)
    assert torch.equal(images, images[:, :1].expand(-1, 3, -1, -1))
    for place, partner, share in zip(*partners_and_shares(targets), strict=True):
        pasted = images[place, 0] == partner
        assert torch.equal(images[place, 0][~pasted], place.float().expand(int((~pasted).sum())))
        assert torch.equal(pasted, pasted.any(1)[:, None] & pasted.any(0))
        for side in (pasted.any(0), pasted.any(1)):
            assert side.nonzero().diff(dim=0).eq(1).all()
        assert share == pytest.approx(1 - pasted.float().mean().item(), abs=1e-6)


def test_pixels_that_cutmix_pastes_come_from_the_same_place():
    originals = noise(100).float()
    images, targets = mixed(originals, torch.arange(100), CUTMIX, 100, 100, 0)
    partners = (targets - torch.diag(targets.diagonal())).argmax(1)
    assert ((images == originals) | (images == originals[partners])).all()


# Whom with


@pytest.mark.parametrize("config", [MIXUP, CUTMIX, BOTH])
@pytest.mark.parametrize(("count", "batch_size"), [(12, 4), (14, 4), (3, 4), (64, 64), (70, 32)])
def test_every_image_meets_one_of_its_batch_and_is_met_by_one(config, count, batch_size):
    met = torch.zeros(count, count, dtype=torch.bool)
    for seed in range(40):
        places, partners, _ = partners_and_shares(numbered(count, config, batch_size=batch_size, seed=seed)[1])
        assert torch.equal(places // batch_size, partners // batch_size)
        assert len(partners.unique()) == len(partners)
        met[places, partners] = True
    if count < 20:
        together = torch.arange(count) // batch_size
        assert torch.equal(met | torch.eye(count, dtype=torch.bool), together[:, None] == together)


def test_in_batches_of_one_every_image_stays_itself():
    images, targets = numbered(20, BOTH, batch_size=1)
    torch.testing.assert_close(images[:, 0, 0, 0], torch.arange(20).float())
    torch.testing.assert_close(targets, torch.eye(20))


def test_batches_of_one_block_are_in_different_orders():
    _, targets = numbered(40, MIXUP, batch_size=20)
    first, second = (targets[:20, :20] > 0, targets[20:, 20:] > 0)
    assert not torch.equal(first, second)


# How much


@pytest.mark.parametrize("parameter", [0.2, 1.0, 5.0])
def test_mixups_shares_are_those_of_beta_drawn_for_each_image(parameter):
    config = Augment(mixup=parameter)
    # Those that meet themselves, about one in a batch, have a share of 1.
    shares = torch.cat([numbered(1000, config, seed=seed, side=2)[1].diagonal() for seed in range(3)])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = torch.distributions.Beta(parameter, parameter).sample((3000,))
    assert_same_distribution(shares, expected)
    assert_uncorrelated(shares)


@pytest.mark.parametrize("parameter", [1e-12, 1e6])
def test_the_extremes_of_beta_are_shares_too(parameter):
    _, targets = numbered(200, Augment(mixup=parameter))
    assert targets.isfinite().all()
    torch.testing.assert_close(targets.sum(1), torch.ones(200))


@pytest.mark.parametrize("parameter", [0.5, 1.0])
def test_cutmix_is_distributed_as_torchvisions_of_one_batch_after_another(parameter):
    transform = v2.CutMix(alpha=parameter, num_classes=2)
    pair = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).repeat(1, 3, 32, 32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pasted = torch.stack([transform(pair, torch.arange(2))[0][0, 0] for _ in range(2000)])
    images, targets = numbered(2000, Augment(cutmix=parameter))
    ours = (images[:, 0] != torch.arange(2000).view(-1, 1, 1)).float()
    assert_same_distribution(ours.mean((1, 2)), pasted.mean((1, 2)))
    assert_same_distribution(targets.diagonal(), 1 - pasted.mean((1, 2)))
    for edge in range(2):
        assert_same_distribution(ours.mean(1 + edge)[:, 0], pasted.mean(1 + edge)[:, 0])
        assert_same_distribution(ours.mean(1 + edge)[:, 16], pasted.mean(1 + edge)[:, 16])
    assert_uncorrelated(targets.diagonal())


def test_of_two_ways_each_image_gets_one_and_half_of_them_each():
    images, targets = numbered(2000, BOTH)
    pixels = images[partners_and_shares(targets)[0], 0].flatten(1)
    blended = (pixels.frac() != 0).any(1)
    # What is added up is one value between the two, what is pasted both of them.
    assert (pixels[blended].amin(1) == pixels[blended].amax(1)).all()
    assert (pixels[~blended].amin(1) < pixels[~blended].amax(1)).all()
    assert abs(blended.float().mean().item() - 0.5) < 0.05
    assert_uncorrelated(blended)


# As part of the whole


def test_images_are_mixed_after_all_else_is_done_to_them():
    config = {"cutout": 8, **BYTES}
    images = noise(30)
    separate = augmented(Augment(**config), images)
    together, targets = with_targets(Augment(mixup=1.0, **config), images)
    expected = (targets @ separate.flatten(1)).view_as(separate)
    torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-3)
