"""Labels that are wrong on purpose."""

from __future__ import annotations

import torch
from torch import Tensor

from cifar_core.errors import DataError


def relabelled(labels: Tensor, share: float, classes: int, seed: int) -> Tensor:
    """Return the labels (int64 of shape (N,)) with ``share`` of them changed: symmetric noise.

    Exactly ``share * N`` of them, rounded to the nearest whole number and drawn without replacement, become another
    label, each of the ``classes - 1`` others being as likely. The draw has a generator of its own.

    Raises:
        DataError: There is no other class.
    """
    if classes < 2:
        raise DataError("data.label_noise: there is but one class, so no label can be another one")
    generator = torch.Generator().manual_seed(seed)
    count = int(share * len(labels) + 0.5)
    places = torch.randperm(len(labels), generator=generator)[:count]
    away = torch.randint(1, classes, (count,), generator=generator)
    return labels.index_put((places,), (labels[places] + away) % classes)
