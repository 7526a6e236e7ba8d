"""The real CIFAR-10 images, divided in every way."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
from generators import finished

from cifar_core.config import Data
from cifar_core.data.load import load
from cifar_core.data.quotas import long_tail

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def root():
    folder = Path(os.environ.get("CIFAR_TUI_TEST_DATA", "/nowhere"))
    if not (folder / "cifar-10-batches-py").is_dir():
        pytest.skip("CIFAR_TUI_TEST_DATA names no folder with real images")
    return folder


@pytest.fixture
def loaded(root):
    def read(**changes):
        return finished(load(Data(root=str(root), verify=False, **changes), 1))[1]

    return read


def contents(split):
    """How often each image comes, by the hash of its pixels."""
    return Counter(hash(pixels.tobytes()) for pixels in split.images.numpy())


@pytest.mark.slow
def test_all_folds_together_are_the_training_images_and_the_test_images_stay_apart(loaded):
    whole = loaded()
    known = contents(whole.train)
    folds = [loaded(folds=5, fold=fold, stratified=True) for fold in range(1, 6)]
    assert sum((contents(each.val) for each in folds), Counter()) == known
    assert contents(folds[2].train) + contents(folds[2].val) == known
    for each in folds:
        assert each.val.labels.bincount().tolist() == [1_000] * 10
        assert len(each.train) == 40_000
        assert torch.equal(each.test.images, whole.test.images)


def test_a_long_tail_with_noise_is_what_was_asked_for_and_validation_stays_balanced(loaded):
    tail = loaded(imbalance=100.0, validation=0.1, stratified=True)
    assert tail.train.labels.bincount().tolist() == long_tail([4_500] * 10, 100)
    assert tail.val.labels.bincount().tolist() == [500] * 10
    noisy = loaded(imbalance=100.0, validation=0.1, stratified=True, label_noise=0.4)
    assert int((noisy.train.labels != tail.train.labels).sum()) == round(0.4 * len(tail.train))
    assert noisy.val.labels.tolist() == tail.val.labels.tolist()


def test_the_test_folder_as_an_extra_test_set_is_the_test_set(loaded, root, tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path))
    extra = loaded(extra_tests=[str(root / "cifar10-folder" / "test")], classes=["cat", "dog"])
    [(name, images)] = extra.extra.items()
    assert name == "test"
    assert images.labels.bincount().tolist() == extra.test.labels.bincount().tolist() == [1_000] * 2
    assert len(extra.train) == 10_000
