"""Decoded images kept on disk, so that only the first start decodes.

An entry is a folder named by its key, which is made from what the file system tells about each file: name, size
and both times. The files' contents take no part: 60,000 small files are looked at in 0.3 s; reading them takes 0.5 s
more when the system still has them in memory and about 6 s when it has not. And a changed file has a new change time,
which no program can set back. So a changed, added, removed or reordered file gives a new key, and the entry that it
replaces is removed.

Labels are not kept: whoever asks has just read them from the same folders or lists as the names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from cifar_core.data.dataset import SIDE, Dataset, Images, from_arrays
from cifar_core.data.decode import decode
from cifar_core.data.files import Catalogue, ImageFile
from cifar_core.data.places import data_home
from cifar_core.errors import printable
from cifar_core.events import Preparing, Warned

VERSION = 1
"""Of an entry's layout and of what is done to images between file and array."""
UNFINISHED = ".unfinished-"
"""How folders begin that are being written, or were when their process died."""
ABANDONED = 3600.0
"""Seconds after which an unfinished folder has no writer any more: writing one takes seconds."""


def read_images(catalogue: Catalogue) -> Generator[Preparing | Warned, None, Dataset]:
    """Return the images of ``catalogue``, from the cache when they have been decoded before.

    From the cache they are mapped into memory, privately: writing to the tensors changes no file. A damaged
    entry is decoded anew; one that cannot be written is warned of, and what was decoded is used.

    Raises:
        DataError: if an image cannot be decoded.
    """
    files = catalogue.train + catalogue.test
    entry = data_home() / "decoded" / _key(catalogue)
    images = _load(entry, len(files))
    if images is None:
        images = yield from decode(files, catalogue.title)
        try:
            _store(entry, images, catalogue.source)
        except OSError as error:
            yield Warned(
                time=time.time(),
                code="cache-not-written",
                message=f"decoded images could not be kept in {printable(entry.parent)} "
                f"({error.strerror or error}): the next start decodes them again",
            )
    count = len(catalogue.train)
    return Dataset(
        train=_labelled(images[:count], catalogue.train),
        val=None,
        test=_labelled(images[count:], catalogue.test),
        classes=catalogue.classes,
    )


def _labelled(images: npt.NDArray[np.uint8], files: list[ImageFile]) -> Images:
    return from_arrays(images, np.array([file.label for file in files], dtype=np.int64))


def _key(catalogue: Catalogue) -> str:
    # Pillow's version is in it since decoders differ in the last bit: the cache must give what decoding would.
    digest = hashlib.sha256(f"{VERSION} {PIL.__version__} {len(catalogue.train)}\n".encode())
    for file in catalogue.train + catalogue.test:
        # ascii() writes out any name, those too that are no UTF-8.
        digest.update(ascii(file[1:]).encode())
    return digest.hexdigest()


def _load(entry: Path, count: int) -> npt.NDArray[np.uint8] | None:
    """Return the entry's images, or None when there is none or it is damaged."""
    try:
        about = json.loads((entry / "about.json").read_bytes())
        with (entry / "images.npy").open("rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == about["sha256"]
        if not right:
            return None
        # Copy-on-write rather than read-only: torch has no read-only tensors, and writing to one would crash.
        images = np.load(entry / "images.npy", mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    fits = images.shape == (count, 3, SIDE, SIDE) and images.dtype == np.uint8
    return images if fits else None


def _store(entry: Path, images: npt.NDArray[np.uint8], source: str) -> None:
    """Write an entry whole or not at all, and remove what it replaces.

    Raises:
        OSError: if it cannot be written; nothing is left of it.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    _tidy(entry.parent, source)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=entry.parent))
    try:
        with (unfinished / "images.npy").open("wb") as file:
            # Not np.save: when the disk is full it does not say so, but how many bytes it lacks.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(images))
            file.write(np.ascontiguousarray(images).data)
        with (unfinished / "images.npy").open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        about = {"version": VERSION, "source": source, "images": len(images), "sha256": sha256}
        (unfinished / "about.json").write_text(json.dumps(about, indent=1))
        shutil.rmtree(entry, ignore_errors=True)  # there is one if it was found damaged
        unfinished.rename(entry)
    except OSError:
        if not entry.is_dir():  # or else another process was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _tidy(cache: Path, source: str) -> None:
    """Remove entries of the same source, which has changed since, and what dead processes left unfinished."""
    for other in cache.iterdir():
        if _abandoned(other) if other.name.startswith(UNFINISHED) else _source(other) == source:
            shutil.rmtree(other, ignore_errors=True)


def _abandoned(unfinished: Path) -> bool:
    try:
        return time.time() - unfinished.stat().st_mtime > ABANDONED
    except OSError:
        return False  # its writer has just finished it


def _source(entry: Path) -> str | None:
    try:
        return str(json.loads((entry / "about.json").read_bytes())["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
