"""Further test sets: folders of CLASS/image, or of arrays as CIFAR-10.1 comes in.

Recht et al., "Do CIFAR-10 Classifiers Generalize to CIFAR-10?", arXiv 1806.00451;
https://github.com/modestyachts/CIFAR-10.1
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cifar_core.data import places
from cifar_core.data.cache import read_images
from cifar_core.data.dataset import SIDE, Dataset, Images, from_arrays
from cifar_core.data.folder import find_by_class
from cifar_core.data.progress import Progress
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing, Warned
from cifar_core.wording import shown

DATA, LABELS = "_data.npy", "_labels.npy"
"""How the names of a set's two files end."""

Reading = Generator[Preparing | Warned, None, Images]


def read_extra(
    folders: Sequence[str], classes: Sequence[str]
) -> Generator[Preparing | Warned, None, dict[str, Images]]:
    """Return the test sets that ``folders`` hold, by name.

    A folder that holds files NAME_data.npy (uint8, N x 32 x 32 x 3) and NAME_labels.npy (whole numbers, N, by the
    order of the training classes) is as many sets as there are such pairs, each called NAME. Any other folder is one
    set of CLASS/image, called like the folder; its images are decoded and scaled as those of training folders are.

    Args:
        folders: As configured.
        classes: Names by label, of the training images.

    Raises:
        DataError: A set cannot be read, has a class that is none of ``classes``, or is called like another one.
    """
    readings: dict[str, Reading] = {}
    for named in folders:
        folder = places.folder(named, "data.extra_tests")
        for name, reading in _sets(folder, classes):
            if name in readings:
                raise DataError(f"data.extra_tests: two sets are called {name}: rename one, results are told by name")
            readings[name] = reading
    extra: dict[str, Images] = {}
    for name, reading in readings.items():
        extra[name] = yield from reading
    return extra


def require_every_class(dataset: Dataset) -> None:
    """Find out whether each extra test set has images of every class; else its accuracy would be of another task.

    Raises:
        DataError: One has not.
    """
    for name, images in dataset.extra.items():
        counts = torch.bincount(images.labels, minlength=len(dataset.classes)).tolist()
        for label, count in enumerate(counts):
            if not count:
                raise DataError(
                    f"data.extra_tests: {name} has no image of the class {shown(dataset.classes[label])}: add some, "
                    "or leave the class out by data.classes"
                )


def _sets(folder: Path, classes: Sequence[str]) -> list[tuple[str, Reading]]:
    """Return the names of the sets in ``folder``, and for each what reads it once it is begun."""
    arrays = sorted(folder.glob(f"*{DATA}"))
    if arrays:
        return [(printable(path.name.removesuffix(DATA)), _read_arrays(path, classes)) for path in arrays]
    path = Path(os.path.abspath(folder))  # noqa: PTH100, which takes ".." away
    return [(printable(path.name), _read_folder(path, classes))]


def _read_folder(folder: Path, classes: Sequence[str]) -> Reading:
    catalogue = yield from find_by_class(folder, classes)
    dataset = yield from read_images(catalogue)
    return dataset.test


def _read_arrays(path: Path, classes: Sequence[str]) -> Reading:
    progress = Progress("verify", printable(path.name), "images")
    yield from progress.at(0)
    pixels = _array(path)
    labels_path = path.with_name(path.name.removesuffix(DATA) + LABELS)
    labels = _array(labels_path)
    if pixels.dtype != np.uint8 or pixels.shape != (len(pixels), SIDE, SIDE, 3):
        raise DataError(
            f"{printable(path)} must hold uint8 of N x {SIDE} x {SIDE} x 3, "
            f"not {pixels.dtype} of {' x '.join(map(str, pixels.shape))}"
        )
    if labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        raise DataError(f"{printable(labels_path)} must hold {len(pixels)} whole numbers, one for each image")
    if not len(labels):
        raise DataError(f"{printable(path)} holds no image: mend or remove it")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{printable(labels_path)} has a label outside 0 to {len(classes) - 1}")
    progress.total = len(pixels)
    yield from progress.at(len(pixels))
    return from_arrays(pixels.transpose(0, 3, 1, 2).copy(), labels.astype(np.int64))


def _array(path: Path) -> npt.NDArray[Any]:
    try:
        # Mapped: a header cannot claim more than the file holds. And whatever is pickled in it stays so.
        array: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header raises nearly anything
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no plain array"
        raise DataError(f"{printable(path)} cannot be read ({reason}): mend or remove it") from error
    if array.ndim == 0:
        raise DataError(f"{printable(path)} cannot be read (it is a single number): mend or remove it")
    return array
