"""Fewer training images, and some held out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cifar_core.data.dataset import Images
from cifar_core.data.splits import hold_out, limit
from cifar_core.errors import DataError


def numbered(labels) -> Images:
    """Images that say in their first two pixels which one they are."""
    images = torch.zeros(len(labels), 3, 32, 32, dtype=torch.uint8)
    places = torch.arange(len(labels))
    images[:, 0, 0, 0] = places % 256
    images[:, 0, 0, 1] = places // 256
    return Images(images, torch.tensor(labels, dtype=torch.int64))


def places(images: Images) -> list[int]:
    return (images.images[:, 0, 0, 0].long() + 256 * images.images[:, 0, 0, 1].long()).tolist()


labels = st.lists(st.integers(0, 5), min_size=1, max_size=60)


@given(labels, st.integers(1, 70))
def test_limit_takes_exactly_n_and_each_class_keeps_its_share(labels, count):
    limited = limit(numbered(labels), count)
    total, wanted = len(labels), min(count, len(labels))
    assert len(limited) == wanted
    for label in set(labels):
        share = labels.count(label) * wanted / total
        assert abs((limited.labels == label).sum().item() - share) < 1


@given(labels, st.integers(1, 70))
def test_limit_takes_each_class_s_first_images_in_their_order(labels, count):
    chosen = places(limit(numbered(labels), count))
    assert chosen == sorted(chosen)
    for label in set(labels):
        of_class = [place for place, it in enumerate(labels) if it == label]
        taken = [place for place in chosen if labels[place] == label]
        assert taken == of_class[: len(taken)]


def test_limit_gives_what_is_over_to_those_who_lost_most():
    limited = limit(numbered([0] * 5 + [1] * 3 + [2] * 2), 4)  # shares 2.0, 1.2 and 0.8
    assert limited.labels.tolist() == [0, 0, 1, 2]


@given(labels.filter(lambda it: len(it) > 1), st.floats(0.01, 0.99), st.integers(0, 2**63 - 1))
def test_hold_out_parts_all_images_in_order_or_says_why_not(labels, share, seed):
    count = int(share * len(labels) + 0.5)
    if count in (0, len(labels)):
        with pytest.raises(DataError, match=r"data\.validation: a share of .* leaves nothing to"):
            hold_out(numbered(labels), share, seed)
        return
    train, val = hold_out(numbered(labels), share, seed)
    assert len(val) == count
    assert sorted(places(train) + places(val)) == list(range(len(labels)))
    for part in (train, val):
        assert places(part) == sorted(places(part))
        assert part.labels.tolist() == [labels[place] for place in places(part)]


def test_hold_out_depends_on_the_seed_alone():
    images = numbered([0] * 100)
    torch.manual_seed(1)
    first = places(hold_out(images, 0.2, 7)[1])
    torch.manual_seed(2)
    assert places(hold_out(images, 0.2, 7)[1]) == first
    assert places(hold_out(images, 0.2, 8)[1]) != first


def test_hold_out_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    hold_out(numbered([0] * 100), 0.2, 7)
    assert torch.equal(torch.get_rng_state(), before)
