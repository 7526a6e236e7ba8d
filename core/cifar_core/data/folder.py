"""Images sorted into folders: train/CLASS/image and test/CLASS/image; or CLASS/image alone, to test on."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path

from cifar_core.data.files import Catalogue, ImageFile, look_at
from cifar_core.data.progress import Progress
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
"""Files that end otherwise are left alone, as are hidden ones and folders inside a class's folder."""


def find_in_folders(root: Path) -> Generator[Preparing, None, Catalogue]:
    """Return the images below ``root/train`` and ``root/test``, by class and then by file name.

    The classes are the sorted names of the folders in ``root/train``. Links are followed.

    Raises:
        DataError: if a folder is missing or empty, a name holds control characters, a class is only tested,
            or a file cannot be looked at.
    """
    classes = _folders(root / "train")
    tested = _folders(root / "test")
    for name in tested:
        if name not in classes:
            raise DataError(f"{printable(root / 'test' / name)} is a class without training images: add train/{name}")
    progress = Progress("verify", printable(root.name), "images")
    train: list[ImageFile] = []
    test: list[ImageFile] = []
    for files, split, names in ((train, "train", classes), (test, "test", tested)):
        for name in names:
            yield from progress.at(len(train) + len(test))
            files.extend(_images(root, f"{split}/{name}", classes.index(name)))
    progress.total = len(train) + len(test)
    yield from progress.at(progress.total)
    return Catalogue(
        source=f"folder {root.resolve()}", title=printable(root.name), train=train, test=test, classes=tuple(classes)
    )


def find_by_class(root: Path, classes: Sequence[str]) -> Generator[Preparing, None, Catalogue]:
    """Return the images of ``root/CLASS/image`` as test images, by class name and then by file name.

    Args:
        root: A folder with a folder for each class; links are followed.
        classes: Names by label, which the folders must be of.

    Raises:
        DataError: if a folder is missing or empty or called like no class, or a file cannot be looked at.
    """
    progress = Progress("verify", printable(root.name), "images")
    files: list[ImageFile] = []
    for name in _folders(root, "data.extra_tests must name folders of CLASS/image"):
        if name not in classes:
            raise DataError(
                f"{printable(root / name)} is none of the training classes ({', '.join(classes[:10])}"
                f"{', ...' if classes[10:] else ''}): rename or remove the folder"
            )
        yield from progress.at(len(files))
        files.extend(_images(root, name, classes.index(name)))
    progress.total = len(files)
    yield from progress.at(progress.total)
    return Catalogue(
        source=f"test folder {root.resolve()}",
        title=printable(root.name),
        train=[],
        test=files,
        classes=tuple(classes),
    )


def _folders(split: Path, wanted: str = "data.root must hold train/CLASS/image and test/CLASS/image") -> list[str]:
    try:
        with os.scandir(split) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except OSError as error:
        raise DataError(f"{printable(split)} cannot be read ({error.strerror}): {wanted}") from error
    if not names:
        raise DataError(f"{printable(split)} has no folders: make one for each class, named like it")
    for name in names:
        if not name.isprintable():
            raise DataError(
                f"{printable(split / name)} is no class name, it holds control characters: rename the folder"
            )
    return names


def _images(root: Path, folder: str, label: int) -> list[ImageFile]:
    try:
        with os.scandir(root / folder) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.name.lower().endswith(SUFFIXES))
        prefix = str(root)
        files = [look_at(f"{prefix}/{folder}/{name}", f"{folder}/{name}", label) for name in names]
    except OSError as error:
        raise DataError(f"{printable(error.filename)} cannot be read ({error.strerror}): mend or remove it") from error
    if not files:
        raise DataError(
            f"{printable(root / folder)} has no images: add some ({', '.join(SUFFIXES)}) or remove the folder"
        )
    return files
