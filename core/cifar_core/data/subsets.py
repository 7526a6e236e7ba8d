"""Only some of the classes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch

from cifar_core.data.dataset import Dataset, Images
from cifar_core.errors import ConfigError, DataError
from cifar_core.wording import shown


def of_classes(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return the images of the classes called ``names``; the first of these gets the label 0, the second 1 and so on.

    Raises:
        ConfigError: There is no class of such a name.
        DataError: There are no training or no test images of any of them.
    """
    for name in names:
        if name not in dataset.classes:
            raise ConfigError(
                f"data.classes: there is no class {shown(name)}{meant(name, dataset.classes)}; "
                f"there are {', '.join(dataset.classes)}"
            )
    labels = torch.full((len(dataset.classes),), -1)
    labels[[dataset.classes.index(name) for name in names]] = torch.arange(len(names))

    def chosen(images: Images, what: str) -> Images:
        renumbered = labels[images.labels]
        places = torch.nonzero(renumbered >= 0).flatten()
        if not len(places):
            raise DataError(f"data.classes: {what} has no image of the classes {', '.join(names)}")
        return Images(images.images[places], renumbered[places])

    return Dataset(
        train=chosen(dataset.train, "the training set"),
        val=None,
        test=chosen(dataset.test, "the test set"),
        classes=tuple(names),
        extra={name: chosen(images, name) for name, images in dataset.extra.items()},
    )


def meant(name: str, classes: Sequence[str]) -> str:
    """Return the question whether another class was meant by ``name``; "" where none is like it."""
    nearest = difflib.get_close_matches(name, classes, n=1)
    return f" (did you mean {shown(nearest[0])}?)" if nearest else ""
