"""Labels that are wrong on purpose."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cifar_core.data.noise import relabelled
from cifar_core.errors import DataError


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60), st.floats(0, 0.999), st.integers(5, 9), st.integers(0, 2**63)
)
def test_exactly_the_share_of_labels_becomes_another_one(labels, share, classes, seed):
    before = torch.tensor(labels)
    after = relabelled(before, share, classes, seed % 2**63)
    assert int((before != after).sum()) == int(share * len(labels) + 0.5)
    assert 0 <= int(after.min()) <= int(after.max()) < classes
    assert before.tolist() == labels  # what was given is left alone


def test_every_other_class_is_as_likely():
    after = relabelled(torch.full((60_000,), 2), 0.5, 4, 3)
    assert torch.bincount(after)[2] == 30_000
    # Ten thousand each, with a deviation of 82.
    assert [abs(int(count) - 10_000) < 500 for count in torch.bincount(after)[[0, 1, 3]]] == [True] * 3


def test_the_seed_alone_decides():
    labels = torch.arange(100) % 10
    torch.manual_seed(1)
    first = relabelled(labels, 0.3, 10, 7)
    torch.manual_seed(2)
    assert torch.equal(relabelled(labels, 0.3, 10, 7), first)
    assert not torch.equal(relabelled(labels, 0.3, 10, 8), first)


def test_where_there_is_one_class_no_label_can_be_wrong():
    with pytest.raises(DataError, match=r"^data\.label_noise: there is but one class"):
        relabelled(torch.zeros(4, dtype=torch.int64), 0.5, 1, 0)
