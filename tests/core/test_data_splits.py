"""Fewer training images, some held out, and long tails: told by labels, answered by places."""

from __future__ import annotations

import pytest
import sklearn.model_selection  # noqa: F401, now, since hypothesis is told of slow examples
import torch
from hypothesis import given
from hypothesis import strategies as st

from cifar_core.config import Data
from cifar_core.data import quotas
from cifar_core.data.splits import divide, hold_out, limited, long_tailed
from cifar_core.errors import DataError

SIX = tuple("abcdef")

labels = st.lists(st.integers(0, 5), min_size=1, max_size=60)
seeds = st.integers(0, 2**63 - 1)


def tensor(labels):
    return torch.tensor(labels, dtype=torch.int64)


def data(**changes):
    return Data(kind="synthetic", **changes)


# Limit


@given(labels, st.integers(1, 70))
def test_limit_takes_exactly_n_and_each_class_keeps_its_share(labels, count):
    taken = tensor(labels)[limited(tensor(labels), count)].tolist()
    wanted = min(count, len(labels))
    assert len(taken) == wanted
    for label in set(labels):
        assert abs(taken.count(label) - labels.count(label) * wanted / len(labels)) < 1


@given(labels, st.integers(1, 70))
def test_limit_takes_each_class_s_first_images_in_their_order(labels, count):
    chosen = limited(tensor(labels), count).tolist()
    assert chosen == sorted(chosen)
    for label in set(labels):
        of_class = [place for place, it in enumerate(labels) if it == label]
        taken = [place for place in chosen if labels[place] == label]
        assert taken == of_class[: len(taken)]


def test_limit_gives_what_is_over_to_those_who_lost_most():
    ten = tensor([0] * 5 + [1] * 3 + [2] * 2)
    assert ten[limited(ten, 4)].tolist() == [0, 0, 1, 2]  # shares 2.0, 1.2 and 0.8


# Holding out


@given(labels.filter(lambda it: len(it) > 1), st.floats(0.01, 0.99), seeds, st.booleans())
def test_hold_out_parts_all_images_in_order_or_says_why_not(labels, share, seed, stratified):
    count = int(share * len(labels) + 0.5)
    if count in (0, len(labels)):
        with pytest.raises(DataError, match=r"data\.validation: a share of .* leaves nothing to"):
            hold_out(tensor(labels), share, seed, stratified=stratified)
        return
    train, val = hold_out(tensor(labels), share, seed, stratified=stratified)
    assert len(val) == count
    assert sorted(train.tolist() + val.tolist()) == list(range(len(labels)))
    for part in (train, val):
        assert part.tolist() == sorted(part.tolist())


@given(labels.filter(lambda it: len(it) > 3), st.floats(0.3, 0.7), seeds)
def test_a_stratified_hold_out_has_each_class_s_share_to_within_one_image(labels, share, seed):
    _, val = hold_out(tensor(labels), share, seed, stratified=True)
    for label in set(labels):
        held_out = tensor(labels)[val].tolist().count(label)
        assert abs(held_out - labels.count(label) * len(val) / len(labels)) < 1


@pytest.mark.parametrize("stratified", [False, True])
def test_hold_out_depends_on_the_seed_alone(stratified):
    of_two = tensor([0, 1] * 50)
    torch.manual_seed(1)
    first = hold_out(of_two, 0.2, 7, stratified=stratified)[1].tolist()
    torch.manual_seed(2)
    assert hold_out(of_two, 0.2, 7, stratified=stratified)[1].tolist() == first
    assert hold_out(of_two, 0.2, 8, stratified=stratified)[1].tolist() != first


def test_the_images_held_out_by_earlier_versions_are_still_the_same():
    _, val = hold_out(tensor([0] * 20), 0.25, 7, stratified=False)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(7))
    assert val.tolist() == sorted(order[:5].tolist())


# Long tails


def test_the_numbers_of_long_tailed_cifar_are_those_of_the_papers():
    assert quotas.long_tail([5_000] * 10, 100) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert quotas.long_tail([5_000] * 10, 10)[-1] == 500
    assert sum(quotas.long_tail([500] * 100, 100)) == 10_847


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=100), st.floats(1, 1000))
def test_the_first_class_keeps_all_the_last_its_share_and_none_more_than_it_had(sizes, imbalance):
    kept = quotas.long_tail(sizes, imbalance)
    assert kept[0] == sizes[0]
    assert all(0 <= left <= size for left, size in zip(kept, sizes, strict=True))
    if len(sizes) > 1:
        assert kept[-1] == int(sizes[-1] / imbalance)


def test_a_long_tail_is_drawn_by_seed_and_stays_in_order():
    of_three = tensor([0, 1, 2] * 100)
    drawn = [long_tailed(of_three, 10, SIX[:3], seed) for seed in (3, 3, 4)]
    assert torch.bincount(of_three[drawn[0]]).tolist() == [100, 31, 10]
    assert drawn[0].tolist() == sorted(set(drawn[0].tolist()))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_class_of_which_nothing_would_be_left_is_named():
    with pytest.raises(DataError, match=r"^data\.imbalance: 50 leaves none of the 40 training images of 'b'"):
        long_tailed(tensor([0, 1] * 40), 50, SIX[:2], 0)


def test_a_class_that_never_had_images_is_no_hindrance():
    assert len(long_tailed(tensor([0, 2] * 40), 4, SIX[:3], 0)) == 50


# All of it together


@given(
    labels.filter(lambda it: len(it) > 12),
    st.none() | st.integers(8, 70),
    st.sampled_from([{}, {"validation": 0.3}, {"folds": 3, "fold": 2}]),
    st.booleans(),
    seeds,
)
def test_no_image_is_both_trained_on_and_held_out(labels, limit, held_out, stratified, seed):
    config = data(limit=limit, stratified=stratified and "folds" not in held_out, **held_out)
    train, val = divide(tensor(labels), config, SIX, seed)
    places = train.tolist() + ([] if val is None else val.tolist())
    assert len(set(places)) == len(places) == min(limit or len(labels), len(labels))
    assert (val is None) == (not held_out)


@pytest.mark.parametrize("held_out", [{"validation": 0.2}, {"folds": 5}])
def test_an_imbalance_thins_out_what_is_trained_on_and_nothing_else(held_out):
    thousand = tensor([0, 1] * 500)
    config = data(stratified=True, **held_out)
    _, val = divide(thousand, config, SIX[:2], 7)
    train, still = divide(thousand, config.model_copy(update={"imbalance": 10.0}), SIX[:2], 7)
    assert torch.equal(still, val)
    assert torch.bincount(thousand[still]).tolist() == [100, 100]
    assert torch.bincount(thousand[train]).tolist() == [400, 40]


def test_nothing_of_it_draws_from_the_global_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    divide(tensor([0, 1] * 100), data(limit=150, validation=0.2, stratified=True, imbalance=3.0), SIX[:2], 7)
    divide(tensor([0, 1] * 100), data(folds=4), SIX[:2], 7)
    assert torch.equal(torch.get_rng_state(), before)
