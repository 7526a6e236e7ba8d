"""Images named by text lists: one "path label" a line, one list for training and one for testing."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

from cifar_core.data.files import Catalogue, ImageFile, look_at
from cifar_core.data.progress import Progress
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing

MAX_CLASSES = 10_000
"""More than any image data set of this kind has; a larger label is a mistake."""

_LINE = re.compile(r"(?P<path>.*[^ \t])[ \t]+(?P<label>[^ \t]+)")
_NUMBER = re.compile(r"[0-9]{1,9}")


class Line(NamedTuple):
    """One image of a list."""

    number: int
    """Of the line in its file, from 1."""
    path: str
    """As written."""
    label: int


def parse(text: str, where: str, classes: int) -> Iterator[Line]:
    """Yield the images that a list names, in its order.

    A line is a path, spaces or tabs, and a label; so a path may hold spaces, though none at its ends. Blank
    lines and lines that start with ``#`` are skipped.

    Args:
        text: the list.
        where: what error messages call it.
        classes: every label must be below it.

    Raises:
        DataError: if a line is none of these.
    """
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{where}, line {number}: has no label; write a path, a space and the label")
        if not _NUMBER.fullmatch(match["label"]):
            raise DataError(f"{where}, line {number}: the label {printable(match['label'])!r} is not a whole number")
        label = int(match["label"])
        if label >= classes:
            raise DataError(f"{where}, line {number}: the label {label} is not in 0 to {classes - 1}")
        yield Line(number, match["path"], label)


def find_in_lists(root: Path, train_list: str, test_list: str) -> Generator[Preparing, None, Catalogue]:
    """Return the images that two lists below ``root`` name, in the lists' order.

    Paths are relative to their list's folder. The classes are named by ``root/classes.txt``, one a line; without
    it there are as many as the largest training label asks for, named by their numbers.

    Raises:
        DataError: if a list, or an image that it names, cannot be read or makes no sense.
    """
    names = _class_names(root / "classes.txt")
    train = _parsed(root / train_list, MAX_CLASSES if names is None else len(names))
    if names is None:
        names = tuple(str(label) for label in range(1 + max(line.label for line in train)))
    test = _parsed(root / test_list, len(names))
    progress = Progress("verify", printable(root.name), "images", total=len(train) + len(test))
    train_files = yield from _found(root / train_list, train, progress, 0)
    test_files = yield from _found(root / test_list, test, progress, len(train))
    yield from progress.at(len(train) + len(test))
    return Catalogue(
        source=f"lists {(root / train_list).resolve()} {(root / test_list).resolve()}",
        title=printable(root.name),
        train=train_files,
        test=test_files,
        classes=names,
    )


def _parsed(path: Path, classes: int) -> list[Line]:
    lines = list(parse(_text(path), printable(path), classes))
    if not lines:
        raise DataError(f"{printable(path)} names no image: write lines of a path and a label")
    return lines


def _found(
    path: Path, lines: list[Line], progress: Progress, before: int
) -> Generator[Preparing, None, list[ImageFile]]:
    folder = str(path.parent)
    files: list[ImageFile] = []
    for line in lines:
        yield from progress.at(before + len(files))
        try:
            # An absolute path stands alone, as in Path's own joining.
            place = line.path if line.path.startswith("/") else f"{folder}/{line.path}"
            files.append(look_at(place, line.path, line.label))
        except OSError as error:
            raise DataError(
                f"{printable(path)}, line {line.number}: "
                f"the image {printable(line.path)} cannot be read ({error.strerror})"
            ) from error
    return files


def _class_names(path: Path) -> tuple[str, ...] | None:
    if not path.exists():
        return None
    names = tuple(name for line in _text(path).split("\n") if (name := line.strip()))
    for name in names:
        if not name.isprintable():
            raise DataError(f"{printable(path)}: the class name {printable(name)} holds control characters; rename it")
    if not names or len(set(names)) < len(names):
        raise DataError(f"{printable(path)} must name each class once, one a line, in the order of the labels")
    return names


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataError(f"{printable(path)} cannot be read ({reason}): give a text file, one entry a line") from error
    if "\0" in text:
        raise DataError(f"{printable(path)} cannot be read (it is binary): give a text file, one entry a line")
    return text
