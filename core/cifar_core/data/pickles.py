"""CIFAR's pickled batches, read without running anything that they name.

A pickle is a program. The names that CIFAR's files use are answered here by stand-ins that only note
their arguments: no class or function of any library is ever handed to the unpickler, any other name is
refused, and NumPy sees nothing but bytes whose length has been checked.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cifar_core.data.dataset import SIDE
from cifar_core.errors import DataError, printable

VALUES = 3 * SIDE * SIDE
"""Bytes of one image: its red, green and blue planes, row by row."""


def read_batch(
    raw: bytes, where: str, labels_key: str, classes: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the images (uint8, N x 3 x 32 x 32, read-only) and labels (int64, N) of one pickled batch.

    Args:
        raw: the file's content, as Python 2 wrote it or re-encoded by Python 3.
        where: what error messages call the file.
        labels_key: the entry that holds the labels ("labels", "fine_labels").
        classes: every label must be below it.

    Raises:
        DataError: if the content is no such batch or names anything that a batch does not need.
    """
    content = _unpickled(raw, where)
    images = _images(content.get("data"), where)
    labels = content.get(labels_key)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{where} is no CIFAR batch: its entry {labels_key!r} is not a list of whole numbers")
    if len(labels) != len(images):
        raise DataError(f"{where} is no CIFAR batch: it has {len(images)} images but {len(labels)} labels")
    wrong = next((label for label in labels if not 0 <= label < classes), None)
    if wrong is not None:
        raise DataError(f"{where} is no CIFAR batch: it has a label outside 0 to {classes - 1}")
    return images, np.array(labels, dtype=np.int64)


def read_names(raw: bytes, where: str, key: str, classes: int) -> tuple[str, ...]:
    """Return the ``classes`` class names that a pickled meta file has under ``key``.

    Raises:
        DataError: if the content is no such meta file or names anything that one does not need.
    """
    names = _unpickled(raw, where).get(key)
    if (
        not isinstance(names, list)
        or len(names) != classes
        or not all(isinstance(name, str) and name and name.isprintable() for name in names)
    ):
        raise DataError(f"{where} is no CIFAR meta file: its entry {key!r} is not a list of {classes} class names")
    return tuple(names)


class _StoredType:
    """Stands in for ``numpy.dtype``: notes the type's name."""

    def __init__(self, name: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment mean nothing to single bytes."""


class _StoredArray:
    """Stands in for an array: notes what it would be made of."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def _dtype(name: object, *_: object) -> _StoredType:
    return _StoredType(name)


def _reconstruct(*_: object) -> _StoredArray:
    return _StoredArray()


def _encode(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes into protocol 2 as text encoded in Latin-1, and nothing else in this way."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., object] | None] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # its name since NumPy 2
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    where: str

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the signature is pickle's
        if (module, name) not in _STAND_INS:
            raise DataError(
                f"{self.where} is refused: it names {printable(f'{module}.{name}')!r}, which no CIFAR file needs; "
                "replace the file by the official one"
            )
        return _STAND_INS[module, name]


def _unpickled(raw: bytes, where: str) -> dict[object, object]:
    # Python 2's strings are bytes: Latin-1 maps each to one character, so keys become text and data can go back.
    unpickler = _Unpickler(io.BytesIO(raw), encoding="latin1")
    unpickler.where = where
    try:
        content = unpickler.load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything, MemoryError included
        raise DataError(f"{where} is damaged: it is no complete pickle; unpack or download it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{where} is no CIFAR file: it does not hold a dictionary")
    return content


def _images(array: object, where: str) -> npt.NDArray[np.uint8]:
    match array:
        case _StoredArray(state=(int(), (int(count), int(values)), _StoredType(name="u1" | "uint8"), False, pixels)):
            # Python 2 wrote bytes as a string; what is no Latin-1 drops out, and the length tells.
            content = pixels.encode("latin1", "ignore") if isinstance(pixels, str) else pixels
        case _:
            raise DataError(f"{where} is no CIFAR batch: its entry 'data' is not an array of uint8, row by row")
    if count < 1 or values != VALUES:
        raise DataError(f"{where} is no CIFAR batch: its array is {count} x {values}, not N x {VALUES} with N > 0")
    if not isinstance(content, bytes) or len(content) != count * values:
        raise DataError(f"{where} is damaged: its array is not as long as its shape says")
    return np.frombuffer(content, dtype=np.uint8).reshape(count, 3, SIDE, SIDE)
