"""Colour jitter is distributed as torchvision's, and drawn for each image."""

from __future__ import annotations

import pytest
import torch
from augmenting import (
    BYTES,
    assert_same_distribution,
    assert_same_mean_image,
    assert_uncorrelated,
    augmented,
    noise,
    one_by_one,
    repeated,
)
from torchvision import transforms
from torchvision.transforms import functional

from cifar_core.augment.colour import jittered
from cifar_core.config import Augment


@pytest.mark.parametrize("brightness", [0.3, 1.7])
def test_a_factor_is_drawn_for_each_image_as_torchvision_draws_one(brightness):
    grey = torch.full((3, 2, 2), 90, dtype=torch.uint8)
    ours = augmented(Augment(brightness=brightness, **BYTES), repeated(grey, 3000))[:, 0, 0, 0]
    theirs = one_by_one(transforms.ColorJitter(brightness=brightness), grey, 3000)[:, 0, 0, 0]
    assert_same_distribution(ours.round(), theirs.float())
    assert_uncorrelated(ours)


@pytest.mark.parametrize("change", [{"contrast": 0.8}, {"saturation": 0.8}, {"hue": 0.3}])
def test_copies_of_an_image_have_the_mean_that_torchvision_gives_one_by_one(change):
    image = noise(1, side=8)[0]
    ours = augmented(Augment(**change, **BYTES), repeated(image, 1500))
    theirs = one_by_one(transforms.ColorJitter(**change), image, 1500)
    assert_same_mean_image(ours, theirs.float())
    # One pixel's values tell the factor; that of an image says nothing about that of the next.
    assert_uncorrelated(ours[:, 1, 3, 3])
    assert len(ours.unique(dim=0)) > 100


def test_brightness_contrast_and_saturation_of_an_image_are_drawn_independently():
    image = torch.tensor([[[40, 200]], [[60, 120]], [[90, 100]]], dtype=torch.uint8)
    config = Augment(brightness=0.2, contrast=0.2, saturation=0.2, **BYTES)
    found = augmented(config, repeated(image, 3000))
    grey = 0.2989 * found[:, 0] + 0.587 * found[:, 1] + 0.114 * found[:, 2]
    level = grey.mean((1, 2))
    distance = (grey[:, 0, 1] - grey[:, 0, 0]) / level
    purity = (found[:, 0] - found[:, 1]).abs().mean((1, 2)) / (grey[:, 0, 1] - grey[:, 0, 0])
    correlations = torch.corrcoef(torch.stack((level, distance, purity))) - torch.eye(3)
    assert correlations.abs().max() < 0.1


def test_jitter_draws_for_one_change_after_another_in_a_fixed_order():
    images = noise(20)
    config = Augment(brightness=0.4, contrast=0.3, saturation=1.5, hue=0.1)
    found = jittered(images, config, torch.Generator().manual_seed(5))

    generator = torch.Generator().manual_seed(5)
    expected = images
    for change, lowest, highest in (
        (functional.adjust_brightness, -0.4, 0.4),
        (functional.adjust_contrast, -0.3, 0.3),
        (functional.adjust_saturation, -1.0, 1.5),  # a factor is never below 0
    ):
        strengths = torch.rand(20, generator=generator) * (highest - lowest) + lowest
        pairs = zip(expected, strengths.tolist(), strict=True)
        expected = torch.stack([change(image, 1.0 + strength) for image, strength in pairs])
    turns = torch.rand(20, generator=generator) * 0.2 - 0.1
    pairs = zip(expected, turns.tolist(), strict=True)
    expected = torch.stack([functional.adjust_hue(image, turn) for image, turn in pairs])
    differences = (found.int() - expected.int()).abs()
    assert differences.max() <= 1
    assert (differences > 0).float().mean() < 1e-4
