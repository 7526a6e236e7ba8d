"""The whole augmentation: its order, what it draws from, and that it leaves everything else alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from augmenting import BYTES, augmented, noise, prepared, repeated, with_targets
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision import transforms

from cifar_core import generators
from cifar_core.augment import pipeline
from cifar_core.config import Augment

EVERYTHING = Augment(
    flip="random",
    crop=4,
    padding="reflect",
    policy="randaugment",
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.1,
    cutout=8,
    erasing=0.5,
    mixup=0.2,
    cutmix=1.0,
)


# What is drawn


def test_one_seed_gives_one_result():
    images = noise(50)
    for one, same, other in zip(*(with_targets(EVERYTHING, images, seed=seed) for seed in (1, 1, 2)), strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


@pytest.mark.parametrize("flip", ["none", "random"])
@pytest.mark.parametrize("crop", [0, 2])
@pytest.mark.parametrize("cutout", [0, 8])
def test_flip_crop_and_cutout_draw_one_after_another_and_only_where_they_are_wanted(flip, crop, cutout):
    generator = torch.Generator().manual_seed(9)
    flips, corners, cuts = torch.zeros(40), torch.zeros(2, 40, dtype=torch.int64), torch.full((2, 40), -99)
    if flip == "random":
        flips = torch.rand(40, generator=generator) < 0.5
    if crop:
        corners = torch.randint(2 * crop + 1, (2, 40), generator=generator)
    if cutout:
        cuts = torch.cat([torch.randint(32, (1, 40), generator=generator) for _ in range(2)]) - cutout // 2

    images = noise(40)
    expected = []
    for image, mirrored, (top, left), cut in zip(images, flips, corners.T.tolist(), cuts.T.tolist(), strict=True):
        padded = torch.nn.functional.pad(image.flip(-1) if mirrored else image, (crop, crop, crop, crop))
        window = padded[:, top : top + 32, left : left + 32].clone()
        rows, columns = (slice(max(first, 0), max(first + cutout, 0)) for first in cut)
        window[:, rows, columns] = 0
        expected.append(window)
    found = augmented(Augment(flip=flip, crop=crop, cutout=cutout, **BYTES), images, seed=9)
    assert torch.equal(found.round().to(torch.uint8), torch.stack(expected))


@pytest.mark.parametrize("policy", ["autoaugment", "randaugment", "trivialaugment"])
def test_a_policy_leaves_the_other_draws_as_they_are(policy):
    # A mean that no byte has: only what is erased is 0.
    config = {"cutout": 8, "erasing": 0.5, "mean": (0.501, 0.501, 0.501), "std": (1.0, 1.0, 1.0)}
    images = noise(40)
    without = augmented(Augment(**config), images) == 0
    assert torch.equal(augmented(Augment(policy=policy, **config), images) == 0, without)


def test_mixing_leaves_the_other_draws_as_they_are():
    images = noise(40)
    config = EVERYTHING.model_dump()
    without = augmented(Augment(**{**config, "mixup": 0.0, "cutmix": 0.0}), images)
    # In batches of one, every image is mixed with itself.
    torch.testing.assert_close(augmented(EVERYTHING, images, batch_size=1), without)


def test_the_global_generators_are_left_alone():
    cpu = torch.device("cpu")
    before = generators.states(cpu)
    augmented(EVERYTHING, noise(5))
    after = generators.states(cpu)
    assert torch.equal(after.pop("torch"), before.pop("torch"))
    assert after == before


def test_copies_of_one_image_all_come_out_differently():
    images = augmented(EVERYTHING, repeated(noise(1)[0], 200))
    assert len(images.unique(dim=0)) == 200


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("policy", ["autoaugment", "randaugment", "trivialaugment"])
def test_a_policy_does_the_same_on_a_gpu(policy):
    images, config = noise(200), Augment(policy=policy)
    found = [pipeline.policies.build(config, 32, 32, torch.device(kind)) for kind in ("cpu", "cuda")]
    assert torch.equal(found[0](images, 7), found[1](images.cuda(), 7).cpu())


# The order of it


def test_everything_is_done_in_its_order(monkeypatch):
    order = []

    def noted(name, function):
        def call(*arguments):
            order.append(name)
            return function(*arguments)

        return call

    for name in ("mirrored", "cropped", "jittered", "cut_out", "erase", "mixed"):
        monkeypatch.setattr(pipeline, name, noted(name, getattr(pipeline, name)))
    monkeypatch.setattr(pipeline.Policy, "__call__", noted("policy", pipeline.Policy.__call__))
    monkeypatch.setattr(pipeline.Augmentation, "normalise", noted("normalise", pipeline.Augmentation.normalise))
    augmented(EVERYTHING, noise(4))
    assert order == ["mirrored", "cropped", "policy", "jittered", "normalise", "cut_out", "erase", "mixed"]


# What it does to its surroundings


class Watching(TorchDispatchMode):
    """Fails where a GPU would make the host wait: when values of a tensor, or how many there are, are asked for."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "unique", "equal", "is_nonzero")

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.name().removeprefix("aten::").partition(".")[0]
        assert not name.startswith(self.ASKING), name
        if name.startswith("index"):
            masks = [one for one in torch.utils._pytree.tree_leaves(arguments) if isinstance(one, torch.Tensor)][1:]
            assert all(mask.dtype is not torch.bool for mask in masks), "a mask has to be counted"
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("policy", ["none", "autoaugment", "randaugment", "trivialaugment"])
@pytest.mark.parametrize("flip", ["random", "alternating"])
def test_no_step_of_it_waits_for_the_device(policy, flip):
    config = EVERYTHING.model_copy(update={"policy": policy, "flip": flip})
    images = noise(64)
    augment = prepared(config, images)
    labels = torch.arange(64) % 10
    with Watching():
        augment(images, labels, torch.arange(64), epoch=1, seed=0, batch_size=16)


def test_asking_for_a_value_is_noticed_by_the_test_above():
    with Watching(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        torch.ones(3).sum().item()
    with Watching(), pytest.raises(AssertionError, match="counted"):
        torch.ones(3)[torch.ones(3) > 0]


@pytest.mark.parametrize("flip", ["none", "random", "alternating"])
@pytest.mark.parametrize("crop", [0, 3])
@pytest.mark.parametrize("policy", ["none", "autoaugment", "randaugment", "trivialaugment"])
def test_the_images_themselves_stay_as_they_are(flip, crop, policy):
    images = noise(20)
    before = images.clone()
    augmented(Augment(flip=flip, crop=crop, policy=policy, brightness=0.5, cutout=16), images)
    assert torch.equal(images, before)


def test_without_augmentation_images_are_only_normalised_and_targets_are_the_labels():
    images, labels = noise(20), torch.arange(20) % 7
    augment = prepared(Augment(), images)
    found, targets = augment(images, labels, torch.arange(20), epoch=1, seed=0, batch_size=20)
    assert torch.equal(found, augment.normalise(images))
    assert (found.dtype, found.shape) == (torch.float32, images.shape)
    assert torch.equal(targets, labels)


# Normalisation


def test_normalise_equals_torchvisions():
    images = noise(10)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    reference = transforms.Compose([transforms.ConvertImageDtype(torch.float32), transforms.Normalize(mean, std)])
    found = prepared(Augment(mean=mean, std=std), images).normalise(images)
    torch.testing.assert_close(found, reference(images), rtol=1e-6, atol=1e-6)


def test_by_default_the_training_images_decide_mean_and_deviation():
    images = noise(200)
    images[:, 1] //= 3
    augment = prepared(Augment(), images)
    pixels = images.numpy().astype(np.float64) / 255
    for found, expected in ((augment.mean, pixels.mean((0, 2, 3))), (augment.std, pixels.std((0, 2, 3)))):
        assert found.shape == (1, 3, 1, 1)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("given_one", ["mean", "std"])
def test_one_of_mean_and_deviation_can_be_given_alone(given_one):
    images = noise(20)
    measured = prepared(Augment(), images)
    augment = prepared(Augment(**{given_one: (0.1, 0.2, 0.3)}), images)
    other = {"mean": "std", "std": "mean"}[given_one]
    torch.testing.assert_close(getattr(augment, given_one).flatten(), torch.tensor((0.1, 0.2, 0.3)))
    assert torch.equal(getattr(augment, other), getattr(measured, other))


def test_a_channel_of_one_single_value_is_normalised_to_zero():
    images = noise(20)
    images[:, 2] = 7
    found = prepared(Augment(), images).normalise(images)
    assert found.isfinite().all()
    assert found[:, 2].abs().max() < 1e-4
