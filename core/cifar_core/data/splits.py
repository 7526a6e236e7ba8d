"""Which training images are trained on, and which of them are held out.

Everything here is told by labels (int64 of shape (N,)) and answered by places: int64 indices in rising order, so that
images stay in the order in which they were stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cifar_core.config import Data
from cifar_core.data import folds, quotas
from cifar_core.errors import DataError
from cifar_core.randomness import derived_seed
from cifar_core.wording import shown


def divide(labels: Tensor, config: Data, classes: Sequence[str], seed: int) -> tuple[Tensor, Tensor | None]:
    """Return the places of the images to train on, and of those held out, which are None where none shall be.

    First the limit is taken, then images are held out of what is left. Imbalance thins out only what is
    trained on: the images held out stay as balanced as they are.

    Args:
        labels: Of all training images.
        config: The ``data`` section.
        classes: Names by label.
        seed: The experiment's. The same one gives the same places whatever else is configured.

    Raises:
        ConfigError: scikit-learn is needed and not installed.
        DataError: Too few images are left to train or to validate on.
    """
    places = torch.arange(len(labels)) if config.limit is None else limited(labels, config.limit)
    held_out = None
    if config.folds is not None:
        fold = folds.fold(labels[places], config.folds, config.fold, classes, seed, stratified=config.stratified)
        places, held_out = (places[part] for part in fold)
    elif config.validation:
        parts = hold_out(labels[places], config.validation, seed, stratified=config.stratified)
        places, held_out = (places[part] for part in parts)
    if config.imbalance > 1:
        places = places[long_tailed(labels[places], config.imbalance, classes, derived_seed(seed, "imbalance"))]
    return places, held_out


def limited(labels: Tensor, count: int) -> Tensor:
    """Return the places of exactly ``count`` images (of all, if there are fewer), each class keeping its share.

    Of each class its first images are taken. A class whose share is below one image may be left out.
    """
    if count >= len(labels):
        return torch.arange(len(labels))
    return _first(labels, quotas.in_proportion(torch.bincount(labels).tolist(), count))


def hold_out(labels: Tensor, share: float, seed: int, *, stratified: bool) -> tuple[Tensor, Tensor]:
    """Return the places of two parts, ``share`` of the images (0 to 1) drawn at random as the second.

    The second part has ``share * N`` images, rounded to the nearest whole number; where it is stratified each class
    has its share among them, to within one image.

    Raises:
        DataError: Either part would be empty.
    """
    total = len(labels)
    count = int(share * total + 0.5)
    if not 0 < count < total:
        raise DataError(
            f"data.validation: a share of {share:g} of {total} training images leaves "
            f"{'nothing to validate on' if count == 0 else 'nothing to train on'}"
        )
    order = _drawn(total, seed)
    chosen = limited(labels[order], count) if stratified else slice(count)
    is_held_out = torch.zeros(total, dtype=torch.bool)
    is_held_out[order[chosen]] = True
    return torch.nonzero(~is_held_out).flatten(), torch.nonzero(is_held_out).flatten()


def long_tailed(labels: Tensor, imbalance: float, classes: Sequence[str], seed: int) -> Tensor:
    """Return the places of the images that are left when classes are thinned out as ``quotas.long_tail`` says.

    Which ones of a class is drawn by ``seed``.

    Raises:
        DataError: Nothing would be left of a class.
    """
    sizes = torch.bincount(labels, minlength=len(classes)).tolist()
    kept = quotas.long_tail(sizes, imbalance)
    for name, size, left in zip(classes, sizes, kept, strict=True):
        if size and not left:
            raise DataError(
                f"data.imbalance: {imbalance:g} leaves none of the {size} training images of {shown(name)}; "
                "choose a smaller one"
            )
    order = _drawn(len(labels), seed)
    return order[_first(labels[order], kept)].sort().values


def _drawn(count: int, seed: int) -> Tensor:
    """Return the numbers below ``count`` in an order drawn by ``seed``, by a generator of its own."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def _first(labels: Tensor, takes: Sequence[int]) -> Tensor:
    """Return the places of the first ``takes[label]`` images of each label."""
    chosen = [torch.nonzero(labels == label).flatten()[:take] for label, take in enumerate(takes)]
    return torch.cat(chosen).sort().values
