"""Policies draw for each image anew, and as torchvision's transforms do for one image."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from augmenting import (
    BYTES,
    assert_same_counts,
    assert_same_mean_image,
    assert_uniform,
    augmented,
    noise,
    one_by_one,
    repeated,
)
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from torchvision.transforms import autoaugment as reference

from cifar_core.augment import policies
from cifar_core.config import Augment

DEPTH = {"num_ops": 3, "magnitude": 17}
POLICIES = {
    "autoaugment": (AutoAugment(AutoAugmentPolicy.CIFAR10), {}, lambda: policies.autoaugment(32, 32)),
    "randaugment": (
        RandAugment(**DEPTH),
        {"operations": DEPTH["num_ops"], "magnitude": DEPTH["magnitude"]},
        lambda: policies.randaugment(32, 32, DEPTH["num_ops"], DEPTH["magnitude"]),
    ),
    "trivialaugment": (TrivialAugmentWide(), {}, policies.trivialaugment),
}


def drawn(name, count, seed=0):
    """Of each image, the operations with their magnitudes one after another, without those that do nothing."""
    entries, draw = POLICIES[name][2]()
    rounds = draw(np.random.default_rng(seed), count)
    return [tuple(entries[number] for number in image if entries[number][0] != "Identity") for image in rounds.T]


def drawn_by_torchvision(name, count, monkeypatch):
    """The same of torchvision's transform."""
    sequences = []

    def noted(image, operation, magnitude, **_):
        if operation != "Identity":
            sequences[-1].append((operation, magnitude))
        return image

    monkeypatch.setattr(reference, "_apply_op", noted)
    image = noise(1)[0]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for _ in range(count):
            sequences.append([])
            POLICIES[name][0](image)
    return [tuple(sequence) for sequence in sequences]


@pytest.mark.parametrize("name", POLICIES)
def test_operations_and_magnitudes_are_drawn_as_often_as_by_torchvision(name, monkeypatch):
    ours, theirs = drawn(name, 4000), drawn_by_torchvision(name, 4000, monkeypatch)
    assert_same_counts([names(image) for image in ours], [names(image) for image in theirs])
    for part in (slice(None, 1), slice(-1, None)):
        one, other = ([image[part] for image in images] for images in (ours, theirs))
        assert_same_counts(one, other)
        # Nothing that one of them draws often is unknown to the other.
        for some, others in ((one, other), (other, one)):
            assert {each for each, count in Counter(some).items() if count > 20} <= set(others)


def test_autoaugments_two_operations_are_done_either_way_each_for_itself(monkeypatch):
    assert_same_counts(drawn("autoaugment", 6000), drawn_by_torchvision("autoaugment", 6000, monkeypatch))


def names(image):
    return tuple(operation for operation, _ in image)


def operations_of(name, seed, count):
    """The name of each operation that is drawn, of shape (rounds, count)."""
    entries, draw = POLICIES[name][2]()
    return np.array([operation for operation, _ in entries])[draw(np.random.default_rng(seed), count)]


@pytest.mark.parametrize("name", ["randaugment", "trivialaugment"])
def test_fourteen_operations_are_drawn_equally_often(name):
    operations = operations_of(name, 2, 20_000).ravel().tolist()
    assert len(set(operations)) == 14
    assert_uniform(operations, set(operations))


def test_trivialaugment_draws_all_its_strengths_and_both_signs_equally_often():
    sequences = drawn("trivialaugment", 60_000)
    rotations = [magnitude for image in sequences for name, magnitude in image if name == "Rotate"]
    assert_uniform([round(abs(magnitude) / 135 * 30) for magnitude in rotations], range(31))
    assert_uniform([magnitude > 0 for magnitude in rotations if magnitude], (False, True))


def test_what_an_image_gets_says_nothing_about_what_the_next_one_gets():
    [operations] = operations_of("trivialaugment", 3, 20_001).tolist()
    assert_uniform(list(pairwise(operations)), list(product(set(operations), repeat=2)))


def test_one_round_says_nothing_about_the_next():
    first, second, _ = operations_of("randaugment", 4, 20_000).tolist()
    assert_uniform(list(zip(first, second, strict=True)), list(product(set(first), repeat=2)))


@pytest.mark.parametrize("name", POLICIES)
def test_copies_of_an_image_have_the_mean_that_torchvision_gives_one_by_one(name):
    image = noise(1, side=16).float().sqrt().mul_(8).to(torch.uint8).repeat_interleave(2, 2).repeat_interleave(2, 3)[0]
    transform, options, _ = POLICIES[name]
    ours = augmented(Augment(policy=name, **options, **BYTES), repeated(image, 1500))
    assert_same_mean_image(ours, one_by_one(transform, image, 1500).float())
