"""Random erasing is distributed as torchvision's, and drawn for each image."""

from __future__ import annotations

import pytest
import torch
from augmenting import assert_same_counts, assert_same_mean_image, assert_uncorrelated, augmented, noise, one_by_one
from torchvision import transforms

from cifar_core.augment.erase import erase
from cifar_core.config import Augment


def erased(count, share, side=32, seed=0):
    """bool of shape (count, side, side): where rectangles were erased."""
    images = torch.ones(count, 3, side, side)
    erase(images, share, torch.Generator().manual_seed(seed))
    assert torch.equal(images, images[:, :1].expand_as(images))
    return images[:, 0] == 0


def corners_and_sizes(blank):
    rows, columns = blank.any(2), blank.any(1)
    return torch.stack((rows.int().argmax(1), columns.int().argmax(1), rows.sum(1), columns.sum(1)), 1)


def test_what_is_erased_is_one_rectangle_of_2_to_33_percent_inside_the_image():
    blank = erased(2000, 1.0)
    found = corners_and_sizes(blank)
    assert torch.equal(blank.sum((1, 2)), found[:, 2] * found[:, 3])
    area = found[:, 2] * found[:, 3] / 1024
    assert 0.01 < area.min() < 0.03
    assert 0.32 < area.max() < 0.35
    ratios = found[:, 2] / found[:, 3]
    assert 0.2 < ratios.min() < 0.35
    assert 2.9 < ratios.max() < 4


@pytest.mark.parametrize("side", [32, 8])
def test_rectangles_are_distributed_as_torchvisions(side):
    transform = transforms.RandomErasing(p=1)
    theirs = one_by_one(transform, torch.ones(3, side, side), 4000)[:, 0] == 0
    ours = erased(4000, 1.0, side)
    pairs = (corners_and_sizes(ours).tolist(), corners_and_sizes(theirs).tolist())
    for of in (slice(0, 1), slice(1, 2), slice(2, 3), slice(3, 4), slice(2, 4)):
        one, other = ([tuple(image[of]) for image in images] for images in pairs)
        assert_same_counts(one, other)
    assert_same_mean_image(ours.float(), theirs.float())


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_only_a_share_of_the_images_is_erased_from(share):
    chosen = erased(4000, share).flatten(1).any(1)
    assert abs(chosen.float().mean().item() - share) <= 4 * (share * (1 - share) / 4000) ** 0.5


def test_what_is_erased_from_an_image_says_nothing_about_the_next():
    for numbers in corners_and_sizes(erased(4000, 1.0)).T:
        assert_uncorrelated(numbers)


def test_erased_pixels_have_the_mean_colour_and_all_others_stay():
    images = noise(100)
    plain = augmented(Augment(), images)
    found = augmented(Augment(erasing=1.0), images)
    blank = found == 0
    assert torch.equal(blank.all(1), blank.any(1))
    assert torch.equal(found[~blank], plain[~blank])
    assert blank[:, 0].flatten(1).any(1).all()
