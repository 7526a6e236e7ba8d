"""Augmentation in blocks has, image by image, the outcomes and the distribution of doing it one by one."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision import transforms

from cifar_core.augment import _windows_by_gather, _windows_by_stride, prepare
from cifar_core.config import Augment

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

# With these, normalised pixels are the bytes themselves, up to rounding.
BYTES = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}


def distinct(side):
    """An image whose pixels all differ and none of which is black: uint8 of shape (3, side, side)."""
    number = torch.arange(side * side).view(side, side)
    return torch.stack((number % 256, number // 256 + 1, 255 - number % 256)).to(torch.uint8)


def repeated(image, count):
    return image.expand(count, -1, -1, -1).contiguous()


def noise(count, side=32, seed=0):
    return torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def augmented(config, images, *, seed=0, epoch=1):
    generator = torch.Generator(images.device).manual_seed(seed)
    indices = torch.arange(len(images), device=images.device)
    return prepare(config, images, seed)(images, indices, epoch, generator)


def as_bytes(images):
    return [image.tobytes() for image in images.cpu().round().to(torch.uint8).numpy()]


def possible_outcomes(image, *, flip=False, pad=0, padding="zero", cutout=0):
    """Each outcome by plain slicing, as bytes -> (flipped, top, left, centre of the cut); all of them differ."""
    side = image.shape[-1]
    mode = {"zero": "constant", "reflect": "reflect"}[padding]
    centres = list(product(range(side), repeat=2)) if cutout else [None]
    outcomes = {}
    for flipped, top, left, centre in product(
        (False, True) if flip else (False,), range(2 * pad + 1), range(2 * pad + 1), centres
    ):
        array = image.numpy()[..., ::-1] if flipped else image.numpy()
        padded = np.pad(array, ((0, 0), (pad, pad), (pad, pad)), mode=mode)
        window = padded[:, top : top + side, left : left + side].copy()
        if centre is not None:
            first_row, first_column = (position - cutout // 2 for position in centre)
            rows = slice(max(first_row, 0), first_row + cutout)
            columns = slice(max(first_column, 0), first_column + cutout)
            window[:, rows, columns] = 0
        assert window.tobytes() not in outcomes
        outcomes[window.tobytes()] = (flipped, top, left, centre)
    return outcomes


def assert_uniform(drawn, possible):
    """Every image drawn is possible, and Pearson's chi-square lies within four standard deviations of its mean."""
    counts = Counter(drawn)
    assert set(counts) <= set(possible)
    expected = len(drawn) / len(possible)
    assert expected >= 5, "too few draws for a chi-square"
    statistic = sum((counts[outcome] - expected) ** 2 / expected for outcome in possible)
    freedom = len(possible) - 1
    assert abs(statistic - freedom) < 4 * sqrt(2 * freedom)


def assert_same_distribution(ours, theirs, possible):
    """Both draw only what is possible, and the chi-square of two samples of equal size is within four deviations."""
    assert len(ours) == len(theirs)
    our_counts, their_counts = Counter(ours), Counter(theirs)
    seen = set(our_counts) | set(their_counts)
    assert seen <= set(possible)
    statistic = sum(
        (our_counts[each] - their_counts[each]) ** 2 / (our_counts[each] + their_counts[each]) for each in seen
    )
    freedom = len(seen) - 1
    assert abs(statistic - freedom) < 4 * sqrt(2 * freedom)


def one_by_one(transform, image, count):
    """What torchvision makes of ``count`` copies of the image, each transformed for itself."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return as_bytes(torch.stack([transform(image) for _ in range(count)]))


# Every image has parameters of its own.


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_copies_of_one_image_get_every_crop_and_flip_equally_often(padding, device):
    image = distinct(32)
    config = Augment(crop=4, padding=padding, flip="random", **BYTES)
    images = augmented(config, repeated(image, 2048).to(device))
    possible = possible_outcomes(image, pad=4, padding=padding, flip=True)
    assert len(possible) == 162
    assert_uniform(as_bytes(images), possible)


def test_half_of_the_images_are_flipped_at_random():
    image = distinct(2)
    images = augmented(Augment(flip="random", **BYTES), repeated(image, 40_000))
    assert_uniform(as_bytes(images), possible_outcomes(image, flip=True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("side", "cutout"), [(8, 4), (8, 3), (5, 1), (5, 2)])
def test_copies_of_one_image_are_cut_out_around_every_centre_equally_often(side, cutout, device):
    image = distinct(side)
    images = augmented(Augment(cutout=cutout, **BYTES), repeated(image, 3000).to(device))
    assert_uniform(as_bytes(images), possible_outcomes(image, cutout=cutout))


def test_flip_crop_and_cutout_do_not_depend_on_each_other():
    image = distinct(4)
    config = Augment(flip="random", crop=1, padding="reflect", cutout=2, **BYTES)
    images = augmented(config, repeated(image, 6000))
    possible = possible_outcomes(image, flip=True, pad=1, padding="reflect", cutout=2)
    assert len(possible) == 2 * 9 * 16
    assert_uniform(as_bytes(images), possible)


@pytest.mark.parametrize("pad", [1, 2, 16])
@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_every_crop_is_one_that_slicing_gives(pad, padding):
    image = distinct(32)
    images = augmented(Augment(crop=pad, padding=padding, **BYTES), repeated(image, 300), seed=pad)
    drawn = as_bytes(images)
    assert set(drawn) <= set(possible_outcomes(image, pad=pad, padding=padding))
    assert len(set(drawn)) > 8


def test_an_image_gets_the_crop_of_itself_and_not_of_a_neighbour():
    images = noise(64)
    cropped = as_bytes(augmented(Augment(crop=1, flip="random", **BYTES), images))
    for image, found in zip(images, cropped, strict=True):
        assert found in possible_outcomes(image, pad=1, flip=True)


# The distribution is torchvision's, applied image by image.


@pytest.mark.parametrize(("padding", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_crop_and_flip_are_distributed_as_torchvisions_one_by_one(padding, mode):
    image = distinct(8)
    reference = transforms.Compose(
        [transforms.RandomCrop(8, padding=2, padding_mode=mode), transforms.RandomHorizontalFlip()]
    )
    ours = as_bytes(augmented(Augment(crop=2, padding=padding, flip="random", **BYTES), repeated(image, 2000)))
    possible = possible_outcomes(image, pad=2, padding=padding, flip=True)
    assert_same_distribution(ours, one_by_one(reference, image, 2000), possible)


@pytest.mark.parametrize("cutout", [3, 4])
def test_cutout_is_distributed_as_an_erasing_that_may_stand_over_the_edge(cutout):
    image = distinct(8)
    # Padded by s - 1 pixels in all, s // 2 of them on the left and top, an image of side w has w places for
    # a square of side s: one around every pixel. Torchvision draws one of them; the crop takes the padding off.
    before = cutout // 2
    side = 8 + cutout - 1
    area_share = (cutout / side) ** 2
    reference = transforms.Compose(
        [
            transforms.Pad((before, before, cutout - 1 - before, cutout - 1 - before)),
            transforms.RandomErasing(p=1, scale=(area_share, area_share), ratio=(1.0, 1.0), value=0),
            transforms.Lambda(lambda padded: padded[:, before : before + 8, before : before + 8]),
        ]
    )
    ours = as_bytes(augmented(Augment(cutout=cutout, **BYTES), repeated(image, 2000)))
    assert_same_distribution(ours, one_by_one(reference, image, 2000), possible_outcomes(image, cutout=cutout))


@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.integers(0, 99)
)
def test_both_ways_of_cutting_windows_agree_with_slicing(count, channels, height, width, pad, seed):
    generator = torch.Generator().manual_seed(seed)
    padded = torch.randint(256, (count, channels, height + 2 * pad, width + 2 * pad), generator=generator)
    tops, lefts = torch.randint(2 * pad + 1, (2, count), generator=generator)
    corners = zip(padded, tops.tolist(), lefts.tolist(), strict=True)
    expected = torch.stack([image[:, top : top + height, left : left + width] for image, top, left in corners])
    assert torch.equal(_windows_by_stride(padded, tops, lefts, height, width), expected)
    assert torch.equal(_windows_by_gather(padded, tops, lefts, height, width), expected)


# Alternating flip


@pytest.fixture
def flipped_by_epoch():
    """bool of shape (6 epochs, 400 images): which images alternating flip mirrors, asked for in any order."""
    images = noise(400, side=8)
    augment = prepare(Augment(flip="alternating", **BYTES), images, seed=4)
    flipped = torch.zeros(6, 400, dtype=torch.bool)
    for epoch in range(1, 7):
        for indices in torch.randperm(400, generator=torch.Generator().manual_seed(epoch)).split(64):
            found = augment(images[indices], indices, epoch, torch.Generator()).round().to(torch.uint8)
            mirrored = (found == images[indices].flip(-1)).flatten(1).all(1)
            assert torch.equal(mirrored, ~(found == images[indices]).flatten(1).all(1))
            flipped[epoch - 1, indices] = mirrored
    return flipped


def test_alternating_flip_mirrors_every_image_in_exactly_every_other_epoch(flipped_by_epoch):
    assert torch.equal(flipped_by_epoch[1:], ~flipped_by_epoch[:-1])


def test_alternating_flip_mirrors_half_of_the_images_in_epoch_1(flipped_by_epoch):
    assert abs(flipped_by_epoch[0].sum().item() - 200) < 4 * sqrt(400 / 4)


def test_the_seed_alone_decides_the_first_flips():
    def first_flips(seed):
        return prepare(Augment(flip="alternating"), noise(100, side=8), seed).first_flips

    assert torch.equal(first_flips(1), first_flips(1))
    assert not torch.equal(first_flips(1), first_flips(2))


# What is drawn


EVERYTHING = Augment(flip="random", crop=4, padding="reflect", cutout=8)


def test_one_generator_state_gives_one_result():
    images = noise(50)
    assert torch.equal(augmented(EVERYTHING, images, seed=1), augmented(EVERYTHING, images, seed=1))
    assert not torch.equal(augmented(EVERYTHING, images, seed=1), augmented(EVERYTHING, images, seed=2))


@pytest.mark.parametrize(
    ("config", "draws"),
    [
        (Augment(), False),
        (Augment(flip="alternating"), False),
        (Augment(flip="random"), True),
        (Augment(crop=1), True),
        (Augment(cutout=1), True),
    ],
)
def test_the_generator_moves_only_for_what_is_configured(config, draws):
    images = noise(3)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    prepare(config, images, 0)(images, torch.arange(3), 1, generator)
    assert torch.equal(generator.get_state(), before) != draws


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    augmented(EVERYTHING, noise(5))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("flip", ["none", "random", "alternating"])
@pytest.mark.parametrize("crop", [0, 3])
def test_the_images_themselves_stay_as_they_are(flip, crop):
    images = noise(20)
    before = images.clone()
    augmented(Augment(flip=flip, crop=crop, cutout=16), images)
    assert torch.equal(images, before)


def test_without_augmentation_images_are_only_normalised():
    images = noise(20)
    augment = prepare(Augment(), images, 0)
    found = augment(images, torch.arange(20), 1, torch.Generator())
    assert torch.equal(found, augment.normalise(images))
    assert (found.dtype, found.shape) == (torch.float32, images.shape)


# Normalisation


def test_normalise_equals_torchvisions():
    images = noise(10)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    reference = transforms.Compose([transforms.ConvertImageDtype(torch.float32), transforms.Normalize(mean, std)])
    found = prepare(Augment(mean=mean, std=std), images, 0).normalise(images)
    torch.testing.assert_close(found, reference(images), rtol=1e-6, atol=1e-6)


def test_by_default_the_training_images_decide_mean_and_deviation():
    images = noise(200)
    images[:, 1] //= 3
    augment = prepare(Augment(), images, 0)
    pixels = images.numpy().astype(np.float64) / 255
    for found, expected in ((augment.mean, pixels.mean((0, 2, 3))), (augment.std, pixels.std((0, 2, 3)))):
        assert found.shape == (1, 3, 1, 1)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("given_one", ["mean", "std"])
def test_one_of_mean_and_deviation_can_be_given_alone(given_one):
    images = noise(20)
    measured = prepare(Augment(), images, 0)
    augment = prepare(Augment(**{given_one: (0.1, 0.2, 0.3)}), images, 0)
    other = {"mean": "std", "std": "mean"}[given_one]
    torch.testing.assert_close(getattr(augment, given_one).flatten(), torch.tensor((0.1, 0.2, 0.3)))
    assert torch.equal(getattr(augment, other), getattr(measured, other))


def test_a_channel_of_one_single_value_is_normalised_to_zero():
    images = noise(20)
    images[:, 2] = 7
    found = prepare(Augment(), images, 0).normalise(images)
    assert found.isfinite().all()
    assert found[:, 2].abs().max() < 1e-4


def test_cut_out_pixels_have_the_mean_colour_that_is_zero():
    images = noise(100)
    found = augmented(Augment(cutout=8), images)
    plain = prepare(Augment(), images, 0).normalise(images)
    cut = found == 0
    assert torch.equal(found[~cut], plain[~cut])
    # All channels of a pixel are cut together, at least a quarter of the square lies inside the image.
    assert torch.equal(cut.all(1), cut.any(1))
    assert cut[:, 0].sum((1, 2)).min() >= 16
    assert cut[:, 0].sum((1, 2)).max() == 64
