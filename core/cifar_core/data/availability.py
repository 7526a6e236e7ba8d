"""Whether a data set is there, told at once: nothing is downloaded, checked or decoded, and torch is not needed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from cifar_core.config import Data
from cifar_core.data.download import part_of
from cifar_core.data.files import Catalogue
from cifar_core.data.folder import find_in_folders
from cifar_core.data.listing import find_in_lists
from cifar_core.data.places import data_root, unreadable
from cifar_core.data.releases import CIFAR10, CIFAR100, Release, found_in, missing
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing

IMAGES = {"cifar10": CIFAR10.images, "cifar100": CIFAR100.images, "synthetic": (10_000, 2_000)}
"""By kind, for training and for testing, where the number is the same everywhere."""
CLASSES = {"cifar10": CIFAR10.classes, "cifar100": CIFAR100.classes, "synthetic": 10}
"""By kind, of which each has as many images."""


@dataclass(frozen=True, slots=True)
class Availability:
    """What can be told of a data set before it is loaded."""

    there: bool
    sentence: str
    """For a person; printable."""
    downloadable: bool
    """Whether ``load`` would download it."""
    images: tuple[int, int] | None
    """Of the chosen classes, for training and for testing, before any is left out or held out; None where that takes
    reading the files."""


def availability(config: Data) -> Availability:
    """Return whether the images that ``config`` describes are where ``load`` looks for them.

    What is there may still be damaged. Of folders only the classes are looked at and of lists only their lines, not
    the image files. Raises nothing for what is missing or unreadable: the sentence says so.
    """
    images = _images(config)
    try:
        there, sentence = _look(config)
    except OSError as error:
        return Availability(False, str(unreadable(error)), False, images)
    except DataError as error:
        return Availability(False, str(error), False, images)
    return Availability(there, sentence, not there, images)


def _images(config: Data) -> tuple[int, int] | None:
    if config.kind not in IMAGES:
        return None
    train, test = IMAGES[config.kind]
    chosen, classes = len(config.classes), CLASSES[config.kind]
    return (train * chosen // classes, test * chosen // classes) if chosen else (train, test)


def _look(config: Data) -> tuple[bool, str]:
    """Whether the images are there, else to be downloaded, and the sentence that says so."""
    match config.kind:
        case "cifar10":
            return _look_for_release(CIFAR10, config)
        case "cifar100":
            return _look_for_release(CIFAR100, config)
        case "folder":
            root = data_root(config)
            return _look_for_files(root, find_in_folders(root))
        case "listing":
            root = data_root(config)
            return _look_for_files(root, find_in_lists(root, config.train_list, config.test_list))
        case "synthetic":
            return True, "synthetic images are drawn and need no files"


def _look_for_release(release: Release, config: Data) -> tuple[bool, str]:
    root = data_root(config)
    found = found_in(root, release)
    if found is None:
        return False, _to_be_downloaded(release, config.kind, root)
    if found == root / release.archive:
        _try_to_open(found)
    else:
        for name in release.md5:
            if not (found / name).is_file():
                raise missing(found / name, release)
            _try_to_open(found / name)
    return True, f"{config.kind} is in {printable(found)}"


def _try_to_open(path: Path) -> None:
    """Raise OSError if this user may not read the file."""
    with path.open("rb"):
        pass


def _to_be_downloaded(release: Release, kind: str, root: Path) -> str:
    part = part_of(root / release.archive)
    begun = min(part.stat().st_size, release.archive_bytes) if part.is_file() else 0
    sentence = f"{kind} is not in {printable(root)}: {_megabytes(release.archive_bytes)} would be downloaded"
    return f"{sentence}, of which {_megabytes(begun)} are there already" if begun else sentence


def _look_for_files(root: Path, finding: Generator[Preparing, None, Catalogue]) -> tuple[bool, str]:
    # Its first word of progress comes after all checks of folders and lists, and before it looks at any image.
    next(finding)
    finding.close()
    return True, f"the images are in {printable(root)}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
