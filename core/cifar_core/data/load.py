"""The one way to the images, whatever their source."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

from torch import Tensor

from cifar_core.config import Data
from cifar_core.data import noise, splits, subsets, synthetic
from cifar_core.data.cache import read_images
from cifar_core.data.cifar import read_cifar
from cifar_core.data.dataset import Dataset, Images
from cifar_core.data.extra import read_extra, require_every_class
from cifar_core.data.folder import find_in_folders
from cifar_core.data.listing import find_in_lists
from cifar_core.data.places import data_root, unreadable
from cifar_core.data.releases import CIFAR10, CIFAR100
from cifar_core.events import Preparing, Warned
from cifar_core.randomness import derived_seed


def load(config: Data, seed: int) -> Generator[Preparing | Warned, None, Dataset]:
    """Return the data set that ``config`` describes, yielding how far it is meanwhile.

    First comes the choice of classes, in training, test and extra test images; then the training images are limited
    and divided (``splits.divide``); then those that are trained on get wrong labels. So images held out and test
    images are never made scarce or noisy. The generator may be closed at any event: no thread, lock or unfinished
    file stays behind, but for a download's ``.part``, which the next call goes on from.

    Args:
        config: The ``data`` section.
        seed: The experiment's; all draws are derived from it.

    Raises:
        ConfigError: There is no class of a chosen name, or a library that is needed is not installed.
        DataError: The images are missing, damaged or make no sense; one sentence says which, and what to do.
    """
    try:
        dataset = yield from _read(config)
        extra = yield from read_extra(config.extra_tests, dataset.classes)
    except OSError as error:
        raise unreadable(error) from error
    dataset = dataclasses.replace(dataset, extra=extra)
    if config.classes:
        dataset = subsets.of_classes(dataset, config.classes)
    require_every_class(dataset)
    trained_on, held_out = splits.divide(dataset.train.labels, config, dataset.classes, seed)
    train = _at(trained_on, dataset.train)
    if config.label_noise:
        labels = noise.relabelled(
            train.labels, config.label_noise, len(dataset.classes), derived_seed(seed, "label noise")
        )
        train = Images(train.images, labels)
    val = None if held_out is None else _at(held_out, dataset.train)
    return dataclasses.replace(dataset, train=train, val=val)


def _at(places: Tensor, images: Images) -> Images:
    """Return the images at ``places``, which rise; not as a copy where that is all of them."""
    return images if len(places) == len(images) else images.at(places)


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
