"""Training images dealt into parts, each of which one run holds out: k-fold cross-validation.

The parts are those of scikit-learn's ``KFold`` and ``StratifiedKFold`` with ``shuffle=True``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cifar_core.errors import ConfigError, DataError
from cifar_core.randomness import derived_seed
from cifar_core.wording import shown

if TYPE_CHECKING:
    from torch import Tensor


def require_scikit_learn() -> None:
    """Find out whether there can be folds; imports nothing.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ConfigError('data.folds: scikit-learn is not installed; pip install "cifar-tui[cv]"')


def fold(
    labels: Tensor, folds: int, number: int, classes: Sequence[str], seed: int, *, stratified: bool
) -> tuple[Tensor, Tensor]:
    """Return the places (int64, rising) of the images to train on, and of those held out.

    The folds of one seed are the same whichever of them is asked for: each image is held out in just one.

    Args:
        labels: int64 of shape (N,).
        folds: How many.
        number: Which of them is held out, counted from 1.
        classes: Names by label.
        seed: Deals the images.
        stratified: Whether each class has its share in each fold, to within one image.

    Raises:
        ConfigError: scikit-learn is not installed.
        DataError: There are too few images for so many folds.
    """
    import torch

    require_scikit_learn()
    from sklearn.model_selection import KFold, StratifiedKFold

    if len(labels) < folds:
        raise DataError(f"data.folds: {folds} folds cannot be made of {len(labels)} training images")
    sizes = torch.bincount(labels).tolist()
    for name, size in zip(classes, sizes, strict=False):
        if stratified and 0 < size < folds:
            raise DataError(
                f"data.folds: {folds} stratified folds cannot be made of {size} training images of {shown(name)}; "
                "choose fewer folds or data.stratified=false"
            )
    kind = StratifiedKFold if stratified else KFold
    dealt = kind(folds, shuffle=True, random_state=derived_seed(seed, "folds") % 2**32)
    parts = list(dealt.split(labels, labels))
    train, held_out = parts[number - 1]
    return torch.from_numpy(train), torch.from_numpy(held_out)
