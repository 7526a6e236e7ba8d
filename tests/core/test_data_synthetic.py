"""The drawn images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cifar_core.config import Data
from cifar_core.data import synthetic
from cifar_core.data.load import load


@pytest.fixture(scope="module")
def dataset():
    return synthetic.draw_dataset()


@pytest.mark.parametrize(("split", "count"), [("train", 10_000), ("test", 2_000)])
def test_images_have_the_promised_shape_and_balance(dataset, split, count):
    images = getattr(dataset, split)
    assert (images.images.shape, images.images.dtype) == ((count, 3, 32, 32), torch.uint8)
    assert (images.labels.shape, images.labels.dtype) == ((count,), torch.int64)
    assert images.labels.bincount().tolist() == [count // 10] * 10


def test_classes_are_shuffled(dataset):
    labels = dataset.train.labels
    repeats = (labels[1:] == labels[:-1]).float().mean()
    assert 0.07 < repeats < 0.13


def test_images_are_the_same_ones_whatever_the_seed(dataset):
    for seed in (0, 1):
        work = load(Data(kind="synthetic"), seed)
        with pytest.raises(StopIteration) as end:
            next(work)
        for split in ("train", "test"):
            assert torch.equal(getattr(end.value.value, split).images, getattr(dataset, split).images)
            assert torch.equal(getattr(end.value.value, split).labels, getattr(dataset, split).labels)


def test_training_and_test_images_differ(dataset):
    train = {image.numpy().tobytes() for image in dataset.train.images}
    assert len(train) == 10_000
    assert not any(image.numpy().tobytes() in train for image in dataset.test.images)


@pytest.mark.parametrize("name", synthetic.CLASSES)
def test_every_figure_mirrored_is_the_same_figure(name):
    axis = ((np.arange(33) - 16) / 12).astype(np.float32)
    x, y = np.abs(axis)[None, None, :], axis[None, :, None]
    inside = synthetic._inside(name, x, y)[0]
    assert inside.shape == (33, 33)
    assert 0.1 < inside.mean() < 0.8
    np.testing.assert_array_equal(inside, inside[:, ::-1])


def test_no_two_figures_are_alike():
    axis = ((np.arange(32) - 15.5) / 12).astype(np.float32)
    x, y = np.abs(axis)[None, None, :], axis[None, :, None]
    drawn = np.stack([synthetic._inside(name, x, y)[0] for name in synthetic.CLASSES])
    distances = (drawn[:, None] != drawn[None, :]).mean(axis=(2, 3))
    assert distances[~np.eye(10, dtype=bool)].min() > 0.05


def test_mean_images_alone_do_not_tell_the_classes(dataset):
    """Nearest class mean, the best that a look at single pixels can do, is far from solving them."""
    train, test = dataset.train.images.flatten(1).float(), dataset.test.images.flatten(1).float()
    means = torch.stack([train[dataset.train.labels == label].mean(0) for label in range(10)])
    top1 = (torch.cdist(test, means).argmin(1) == dataset.test.labels).float().mean()
    assert top1 < 0.35
