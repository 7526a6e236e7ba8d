"""Fewer training images, and some of them held out."""

from __future__ import annotations

import torch

from cifar_core.data.dataset import Images
from cifar_core.errors import DataError


def limit(images: Images, count: int) -> Images:
    """Return exactly ``count`` of the images (all, if there are fewer), each class keeping its share.

    Of each class its first images are taken, and all stay in their order. Shares are rounded down and
    what is then missing goes to the classes that lost most by it, the lower label first among equals; so a class is
    at most one image off its share, and a class whose share is below one image may be left out.
    """
    total = len(images)
    if count >= total:
        return images
    sizes = torch.bincount(images.labels)
    quota = sizes * count // total
    lost = sizes * count % total
    most = torch.argsort(lost, descending=True, stable=True)[: count - int(quota.sum())]
    quota[most] += 1
    chosen = [torch.nonzero(images.labels == label).flatten()[:take] for label, take in enumerate(quota.tolist())]
    return images.at(torch.cat(chosen).sort().values)


def hold_out(images: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Return the images in two parts, ``share`` of them (0 to 1) drawn at random as the second.

    The second part has ``share * N`` images, rounded to the nearest whole number. Both stay in their order.
    The draw has a generator of its own, so it depends on ``seed`` and N alone.

    Raises:
        DataError: if either part would be empty.
    """
    total = len(images)
    count = int(share * total + 0.5)
    if not 0 < count < total:
        raise DataError(
            f"data.validation: a share of {share:g} of {total} training images leaves "
            f"{'nothing to validate on' if count == 0 else 'nothing to train on'}"
        )
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    return images.at(order[count:].sort().values), images.at(order[:count].sort().values)
