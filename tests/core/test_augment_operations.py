"""Each operation, done to a block by parameters of each image's own, equals torchvision's done image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from augmenting import noise
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional
from torchvision.transforms.autoaugment import InterpolationMode, _apply_op

from cifar_core.augment import affine, colour, operations, policies, tones

CPU = torch.device("cpu")


@st.composite
def blocks(draw):
    """uint8 (N, 3, H, W): of all values, of few, of dark ones, of single ones; each image may be of another kind."""
    count, height, width = draw(st.integers(1, 5)), draw(st.integers(3, 33)), draw(st.integers(3, 33))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)
    for image, kind in zip(images, draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)), strict=True):
        match kind:
            case 1:
                image.floor_divide_(40)
            case 2:
                image.bitwise_and_(0b1100_0000)
            case 3:
                image[draw(st.integers(0, 2))] = draw(st.integers(0, 255))
            case 4:
                image[:] = image[:1].clone()
            case 5:
                image[:] = image[0, 0, 0].clone()
    return images


def numbers_for(images, lowest, highest):
    """A strategy for a float32 number for each image."""
    return st.lists(st.floats(lowest, highest, width=32), min_size=len(images), max_size=len(images)).map(torch.tensor)


def one_by_one(operation, images, *numbers):
    return torch.stack([operation(*each) for each in zip(images, *(some.tolist() for some in numbers), strict=True)])


CHANGES = {
    "brightness": (colour.brightened, functional.adjust_brightness),
    "contrast": (colour.contrasted, functional.adjust_contrast),
    "saturation": (colour.saturated, functional.adjust_saturation),
    "sharpness": (tones.sharpened, functional.adjust_sharpness),
}


@pytest.mark.parametrize("name", CHANGES)
@settings(deadline=None)
@given(st.data())
def test_a_strength_does_what_torchvisions_factor_does_to_the_last_bit(name, data):
    ours, theirs = CHANGES[name]
    images = data.draw(blocks())
    strengths = data.draw(numbers_for(images, -1, 2))
    expected = one_by_one(lambda image, strength: theirs(image, 1.0 + strength), images, strengths)
    assert torch.equal(ours(images, strengths), expected)


@settings(deadline=None)
@given(st.data())
def test_a_turned_hue_is_at_most_1_of_255_from_torchvisions(data):
    images = data.draw(blocks())
    turns = data.draw(numbers_for(images, -0.5, 0.5))
    expected = one_by_one(functional.adjust_hue, images, turns)
    assert (colour.hue_turned(images, turns).int() - expected.int()).abs().max() <= 1


def test_a_turned_hue_is_almost_always_torchvisions():
    images, turns = noise(100), torch.rand(100, generator=torch.Generator().manual_seed(0)) - 0.5
    expected = one_by_one(functional.adjust_hue, images, turns)
    assert (colour.hue_turned(images, turns) != expected).float().mean() < 1e-4


def test_a_hue_that_is_not_turned_stays():
    images = noise(50)
    assert torch.equal(colour.hue_turned(images, torch.zeros(50)), images)


@settings(deadline=None)
@given(blocks())
@pytest.mark.parametrize("name", ["invert", "autocontrast", "equalize"])
def test_operations_without_a_magnitude_are_torchvisions_to_the_last_bit(name, images):
    ours = {"invert": tones.inverted, "autocontrast": tones.autocontrasted, "equalize": tones.equalized}[name]
    assert torch.equal(ours(images), one_by_one(getattr(functional, name), images))


@settings(deadline=None)
@given(st.data())
def test_posterize_and_solarize_are_torchvisions_to_the_last_bit(data):
    images = data.draw(blocks())
    bits = data.draw(st.lists(st.integers(1, 8), min_size=len(images), max_size=len(images)).map(torch.tensor))
    thresholds = data.draw(numbers_for(images, 0, 255))
    assert torch.equal(tones.posterized(images, bits.float()), one_by_one(functional.posterize, images, bits))
    assert torch.equal(tones.solarized(images, thresholds), one_by_one(functional.solarize, images, thresholds))


RANGES = {"ShearX": 1.0, "ShearY": 1.0, "TranslateX": 40.0, "TranslateY": 40.0, "Rotate": 180.0}


@pytest.mark.parametrize("name", affine.OPERATIONS)
@settings(deadline=None)
@given(st.data())
def test_a_warped_image_is_torchvisions_pixel_for_pixel(name, data):
    images = data.draw(blocks())
    magnitudes = data.draw(numbers_for(images, -RANGES[name], RANGES[name]))
    _, _, height, width = images.shape
    matrices = torch.tensor([affine.matrix(name, each, height, width) for each in magnitudes.tolist()])
    expected = one_by_one(lambda image, each: theirs(image, name, each), images, magnitudes)
    assert torch.equal(affine.warped(images, affine.sources(matrices, height, width)), expected)


def theirs(image, name, magnitude):
    return _apply_op(image, name, magnitude, InterpolationMode.NEAREST, None)


# The table of each policy, and any of its entries in one block


@pytest.mark.parametrize("name", ["autoaugment", "randaugment", "trivialaugment"])
def test_every_entry_of_a_policy_is_torchvisions_operation_to_the_last_bit(name):
    entries, _ = entries_of(name)
    images = noise(len(entries))
    images[::3] //= 8
    images[::5] //= 50
    order = np.random.default_rng(0).permutation(len(entries))
    found = operations.build(entries, 32, 32, CPU)(images, order[None])
    for image, entry, ours in zip(images, order, found, strict=True):
        assert torch.equal(ours, theirs(image, *entries[entry])), entries[entry]


def entries_of(name):
    match name:
        case "autoaugment":
            return policies.autoaugment(32, 32)
        case "randaugment":
            return policies.randaugment(32, 32, 3, 17)
        case _:
            return policies.trivialaugment()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32))
def test_rounds_are_done_one_after_another_to_each_image_alone(count, rounds, seed):
    entries, _ = policies.autoaugment(32, 32)
    chosen = np.random.default_rng(seed).integers(len(entries), size=(rounds, count))
    images = noise(count, seed=seed)
    expected = images
    for entry_of_each in chosen:
        each = zip(expected, entry_of_each, strict=True)
        expected = torch.stack([theirs(image, *entries[entry]) for image, entry in each])
    assert torch.equal(operations.build(entries, 32, 32, CPU)(images, chosen), expected)
