"""Training images dealt into folds, each of them held out by one run."""

from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest
import sklearn.model_selection  # noqa: F401, now, since hypothesis is told of slow examples
import torch
from hypothesis import given
from hypothesis import strategies as st

from cifar_core.data.folds import fold, require_scikit_learn
from cifar_core.errors import ConfigError, DataError

NAMES = tuple("abc")


def dealt(labels, folds, seed=0, *, stratified=False):
    """Every fold of some labels, as lists."""
    parts = [fold(torch.tensor(labels), folds, 1 + place, NAMES, seed, stratified=stratified) for place in range(folds)]
    return [(train.tolist(), held_out.tolist()) for train, held_out in parts]


@given(st.lists(st.integers(0, 2), min_size=7, max_size=60), st.integers(2, 7), st.integers(0, 2**63 - 1))
def test_each_image_is_held_out_by_just_one_fold(labels, folds, seed):
    parts = dealt(labels, folds, seed)
    assert sorted(place for _, held_out in parts for place in held_out) == list(range(len(labels)))
    for train, held_out in parts:
        assert sorted(train + held_out) == list(range(len(labels)))
        assert train == sorted(train)
        assert held_out == sorted(held_out)


@given(st.lists(st.integers(4, 12), min_size=3, max_size=3), st.integers(2, 4), st.integers(0, 2**63 - 1))
def test_stratified_folds_have_each_class_s_share_to_within_one_image(sizes, folds, seed):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    random.Random(seed).shuffle(labels)
    for _, held_out in dealt(labels, folds, seed, stratified=True):
        counts = np.bincount([labels[place] for place in held_out], minlength=3)
        assert all(abs(count - size / folds) < 1 for count, size in zip(counts, sizes, strict=True))


def test_the_first_folds_are_larger_where_the_images_do_not_come_out_even():
    assert [len(held_out) for _, held_out in dealt([0] * 11, 4)] == [3, 3, 3, 2]


def test_the_seed_alone_deals():
    np.random.seed(1)  # noqa: NPY002, the one that scikit-learn would take
    first = dealt([0, 1] * 20, 4, seed=5)
    np.random.seed(2)  # noqa: NPY002
    assert dealt([0, 1] * 20, 4, seed=5) == first
    assert dealt([0, 1] * 20, 4, seed=6) != first


def test_a_seed_of_any_size_is_one():
    assert len(dealt([0] * 10, 2, seed=2**63 - 1)) == 2


@pytest.mark.parametrize(
    ("labels", "stratified", "sentence"),
    [
        ([0, 1, 2], False, r"^data\.folds: 4 folds cannot be made of 3 training images$"),
        ([0] * 9 + [2] * 3, True, r"^data\.folds: 4 stratified folds cannot be made of 3 training images of 'c'; "),
    ],
)
def test_too_few_images_are_told(labels, stratified, sentence):
    with pytest.raises(DataError, match=sentence):
        dealt(labels, 4, stratified=stratified)


def test_a_class_that_never_had_images_is_no_hindrance():
    assert len(dealt([0, 2] * 4, 4, stratified=True)) == 4


def test_without_scikit_learn_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    for ask in (require_scikit_learn, lambda: dealt([0] * 10, 2)):
        with pytest.raises(ConfigError) as told:
            ask()
        assert str(told.value) == 'data.folds: scikit-learn is not installed; pip install "cifar-tui[cv]"'
