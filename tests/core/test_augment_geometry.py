"""Flip, crop and cutout have, image by image, the outcomes and the distribution of doing it one by one."""

from __future__ import annotations

from itertools import product
from math import sqrt

import numpy as np
import pytest
import torch
from augmenting import (
    BYTES,
    as_bytes,
    assert_same_counts,
    assert_uniform,
    augmented,
    distinct,
    noise,
    one_by_one,
    prepared,
    repeated,
)
from hypothesis import given
from hypothesis import strategies as st
from torchvision import transforms

from cifar_core.augment.geometry import windows_by_gather, windows_by_stride
from cifar_core.config import Augment

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


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
    assert set(ours) <= set(possible)
    assert_same_counts(ours, as_bytes(one_by_one(reference, image, 2000)))


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
    assert set(ours) <= set(possible_outcomes(image, cutout=cutout))
    assert_same_counts(ours, as_bytes(one_by_one(reference, image, 2000)))


@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.integers(0, 99)
)
def test_both_ways_of_cutting_windows_agree_with_slicing(count, channels, height, width, pad, seed):
    generator = torch.Generator().manual_seed(seed)
    padded = torch.randint(256, (count, channels, height + 2 * pad, width + 2 * pad), generator=generator)
    tops, lefts = torch.randint(2 * pad + 1, (2, count), generator=generator)
    corners = zip(padded, tops.tolist(), lefts.tolist(), strict=True)
    expected = torch.stack([image[:, top : top + height, left : left + width] for image, top, left in corners])
    assert torch.equal(windows_by_stride(padded, tops, lefts, height, width), expected)
    assert torch.equal(windows_by_gather(padded, tops, lefts, height, width), expected)


# Alternating flip


@pytest.fixture
def flipped_by_epoch():
    """bool of shape (6 epochs, 400 images): which images alternating flip mirrors, asked for in any order."""
    images = noise(400, side=8)
    augment = prepared(Augment(flip="alternating", **BYTES), images, seed=4)
    flipped = torch.zeros(6, 400, dtype=torch.bool)
    for epoch in range(1, 7):
        for indices in torch.randperm(400, generator=torch.Generator().manual_seed(epoch)).split(64):
            found, _ = augment(images[indices], indices, indices, epoch=epoch, seed=0, batch_size=64)
            found = found.round().to(torch.uint8)
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
        return prepared(Augment(flip="alternating"), noise(100, side=8), seed=seed).first_flips

    assert torch.equal(first_flips(1), first_flips(1))
    assert not torch.equal(first_flips(1), first_flips(2))


# Cutout


def test_cut_out_pixels_have_the_mean_colour_that_is_zero():
    images = noise(100)
    found = augmented(Augment(cutout=8), images)
    plain = prepared(Augment(), images).normalise(images)
    cut = found == 0
    assert torch.equal(found[~cut], plain[~cut])
    # All channels of a pixel are cut together, at least a quarter of the square lies inside the image.
    assert torch.equal(cut.all(1), cut.any(1))
    assert cut[:, 0].sum((1, 2)).min() >= 16
    assert cut[:, 0].sum((1, 2)).max() == 64
