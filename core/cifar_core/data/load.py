"""The one way to the images, whatever their source."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

from cifar_core.config import Data
from cifar_core.data import splits, synthetic
from cifar_core.data.cache import read_images
from cifar_core.data.cifar import read_cifar
from cifar_core.data.dataset import Dataset
from cifar_core.data.folder import find_in_folders
from cifar_core.data.listing import find_in_lists
from cifar_core.data.places import data_root, unreadable
from cifar_core.data.releases import CIFAR10, CIFAR100
from cifar_core.events import Preparing, Warned


def load(config: Data, seed: int) -> Generator[Preparing | Warned, None, Dataset]:
    """Return the data set that ``config`` describes, limited and split, yielding how far it is meanwhile.

    The limit is taken first, then validation images are held out of what is left. The generator may be
    closed at any event: no thread, lock or unfinished file stays behind, but for a download's ``.part``, which
    the next call goes on from.

    Args:
        config: the ``data`` section.
        seed: draws the validation images, and nothing else.

    Raises:
        DataError: if the images are missing, damaged or make no sense; one sentence says which, and what to do.
    """
    try:
        dataset = yield from _read(config)
    except OSError as error:
        raise unreadable(error) from error
    train, val = dataset.train, None
    if config.limit is not None:
        train = splits.limit(train, config.limit)
    if config.validation:
        train, val = splits.hold_out(train, config.validation, seed)
    return dataclasses.replace(dataset, train=train, val=val)


def _read(config: Data) -> Generator[Preparing | Warned, None, Dataset]:
    match config.kind:
        case "cifar10":
            return (yield from read_cifar(CIFAR10, config))
        case "cifar100":
            return (yield from read_cifar(CIFAR100, config))
        case "folder":
            return (yield from read_images((yield from find_in_folders(data_root(config)))))
        case "listing":
            found = yield from find_in_lists(data_root(config), config.train_list, config.test_list)
            return (yield from read_images(found))
        case "synthetic":
            return synthetic.draw_dataset()
