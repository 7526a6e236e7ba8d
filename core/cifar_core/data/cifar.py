"""CIFAR-10 and CIFAR-100, from their extracted folder or their official archive.

Where both are there the folder is taken: it needs no unpacking. Neither is believed unchecked unless the
configuration says so, and each file is read once, so that what was checked is what is used.
Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np

from cifar_core.config import Data
from cifar_core.data import archive, pickles
from cifar_core.data.dataset import Dataset, Images, from_arrays
from cifar_core.data.download import download
from cifar_core.data.places import data_root
from cifar_core.data.progress import Progress
from cifar_core.data.releases import CIFAR10, CIFAR100, Release, found_in, missing
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing

__all__ = ["CIFAR10", "CIFAR100", "Release", "read_cifar"]


def read_cifar(release: Release, config: Data) -> Generator[Preparing, None, Dataset]:
    """Return the published training and test images, in the published order; CIFAR-100 with its fine labels.

    Looks in the data root for the extracted folder (or is given just that), then for the archive, then
    downloads the archive into it.

    Raises:
        DataError: if the files are damaged, fail their checksums or cannot be had.
        OSError: if a file cannot be read.
    """
    root = data_root(config)
    sha256 = release.sha256 if config.verify else None
    path = root / release.archive
    found = found_in(root, release)
    if found is None:
        mirrors = tuple(f"{mirror.rstrip('/')}/{release.archive}" for mirror in config.mirrors)
        yield from download(mirrors + release.addresses, path, sha256)
    elif found != path:
        return (yield from _dataset(release, found, _from_folder(release, found, config.verify)))
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
            raise missing(path, release)
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
