"""Only some of the classes."""

from __future__ import annotations

import pytest
import torch

from cifar_core.data.dataset import Dataset, Images
from cifar_core.data.subsets import of_classes
from cifar_core.errors import ConfigError, DataError

ANIMALS = ("cat", "dog", "eel")


def numbered(*labels):
    """Images that say in their first pixel which one they are."""
    images = torch.zeros(len(labels), 3, 32, 32, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(len(labels))
    return Images(images, torch.tensor(labels))


@pytest.fixture
def dataset():
    return Dataset(numbered(0, 1, 2, 2, 0), None, numbered(2, 1, 0), ANIMALS, {"other": numbered(0, 0, 2)})


def test_labels_count_up_in_the_order_of_the_names_in_every_set(dataset):
    two = of_classes(dataset, ("eel", "cat"))
    assert two.classes == ("eel", "cat")
    found = {name: (it.labels.tolist(), it.images[:, 0, 0, 0].tolist()) for name, it in two.extra.items()}
    assert found == {"other": ([1, 1, 0], [0, 1, 2])}
    assert (two.train.labels.tolist(), two.train.images[:, 0, 0, 0].tolist()) == ([1, 0, 0, 1], [0, 2, 3, 4])
    assert (two.test.labels.tolist(), two.test.images[:, 0, 0, 0].tolist()) == ([0, 1], [0, 2])


def test_all_classes_in_another_order_are_all_images(dataset):
    turned = of_classes(dataset, ("eel", "dog", "cat"))
    assert turned.train.labels.tolist() == [2, 1, 0, 0, 2]


def test_an_unknown_class_is_told_with_the_nearest_and_with_all(dataset):
    with pytest.raises(ConfigError) as told:
        of_classes(dataset, ("dog", "catt"))
    assert str(told.value) == ("data.classes: there is no class 'catt' (did you mean 'cat'?); there are cat, dog, eel")


def test_what_is_like_no_class_is_told_with_all_and_cannot_steer_a_terminal(dataset):
    with pytest.raises(ConfigError, match=r"no class '\\x1b\[2J'; there are cat, dog, eel$"):
        of_classes(dataset, ("dog", "\x1b[2J"))


@pytest.mark.parametrize("lacking", ["train", "test", "other"])
def test_a_set_that_is_left_without_images_is_named(dataset, lacking):
    sets = {"train": dataset.train, "test": dataset.test, "other": dataset.extra["other"], lacking: numbered(1)}
    emptied = Dataset(sets["train"], None, sets["test"], ANIMALS, {"other": sets["other"]})
    words = {"train": "the training set", "test": "the test set", "other": "other"}[lacking]
    with pytest.raises(DataError, match=rf"^data\.classes: {words} has no image of the classes cat, eel$"):
        of_classes(emptied, ("cat", "eel"))
