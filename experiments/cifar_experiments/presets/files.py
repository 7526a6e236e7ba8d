"""Where presets lie, which file a name means, and how it is read, listed and written."""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import tomli
from platformdirs import user_config_path

from cifar_core.errors import ConfigError, printable
from cifar_core.wording import shown
from cifar_experiments.atomic import replace_file

Kind = Literal["models", "augments", "optimizers", "experiments"]
KINDS: tuple[Kind, ...] = get_args(Kind)

NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a preset may be called: it can never lead out of its folder."""
BUILT_IN = Path(__file__).parent
_LARGEST = 2**20
_SINGULAR: dict[Kind, str] = {
    "models": "model preset",
    "augments": "augmentation preset",
    "optimizers": "optimizer preset",
    "experiments": "experiment",
}


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset file: its tree as it stands in the TOML, nothing composed yet."""

    kind: Kind
    name: str
    path: Path
    text: str
    tree: dict[str, object]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a listing; ``error`` is the sentence that says why the file cannot be used, or None."""

    name: str
    description: str
    path: Path
    origin: str
    error: str | None = None
    subject: str = ""
    """What its ``name`` says: which network, which optimizer."""


def user_folder() -> Path:
    """Return the folder that the user's own presets are kept in, one folder below it for each kind."""
    return user_config_path("cifar-tui", appauthor=False) / "presets"


def folders(kind: Kind) -> tuple[tuple[str, Path], ...]:
    """Return (origin, folder) in the order of looking: the current folder's presets hide the user's, and so on."""
    return ("here", Path("presets") / kind), ("yours", user_folder() / kind), ("built-in", BUILT_IN / kind)


def find(kind: Kind, name: str, beside: Path | None = None) -> Path:
    """Return the file that ``name`` means: itself if it is a path, else the first of that name in ``folders``.

    A relative path counts from the folder ``beside``, by default from the current one.

    Raises:
        ConfigError: if it is no name, or there is no such preset; the nearest name is offered.
    """
    word = _SINGULAR[kind]
    if name.endswith(".toml") or "/" in name or os.sep in name:
        path = (beside or Path()) / name
        if not os.path.lexists(path):
            raise ConfigError(f"{printable(path)}: there is no such {word} file")
        return path
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{shown(name)} cannot be the name of a preset: letters, digits and . _ - only, at most 100, "
            "beginning with a letter or digit"
        )
    for _, folder in folders(kind):
        path = folder / f"{name}.toml"
        if os.path.lexists(path):
            return path
    known = sorted({listed.stem for _, folder in folders(kind) for listed in _toml_files(folder)})
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {printable(near[0])}?" if near else ""
    raise ConfigError(f"there is no {word} '{name}'{hint} ('cifar-tui presets list' shows them all)")


def load(kind: Kind, name: str, beside: Path | None = None) -> Preset:
    """Find and read a preset.

    Raises:
        ConfigError: if there is none, or it cannot be read as TOML; one sentence with file, line and column.
    """
    path = find(kind, name, beside)
    text, tree = read(path)
    if not isinstance(tree.get("description", ""), str):
        raise ConfigError(f"{printable(path)}: description: must be text")
    return Preset(kind, path.stem, path, text, tree)


def read(path: Path) -> tuple[str, dict[str, object]]:
    """Return the text and the tree of a TOML file of at most 1 MiB.

    Raises:
        ConfigError: if it cannot be read, is no regular file, no UTF-8 or no TOML.
    """
    place = printable(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{place}: is no file, but a {'folder' if path.is_dir() else 'device or pipe'}")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{place}: cannot be read: {reason}") from None
    if len(content) > _LARGEST:
        raise ConfigError(f"{place}: is larger than 1 MiB, which no preset needs")
    try:
        text = content.decode("utf-8-sig")  # some editors put a byte order mark first
        return text, tomli.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: is no UTF-8 text (byte {error.start + 1})") from None
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{place}: is not valid TOML: {printable(error)}") from None
    except RecursionError:
        raise ConfigError(f"{place}: is nested too deeply") from None
    except ValueError:
        raise ConfigError(f"{place}: holds a number of too many digits") from None


def listing(kind: Kind) -> list[Listed]:
    """Return the presets of one kind by name; of several with one name, the one that the name means.

    A file that cannot be used is listed with the reason; nothing is raised for it.
    """
    found: dict[str, Listed] = {}
    for origin, folder in folders(kind):
        for path in _toml_files(folder):
            if path.stem not in found:
                found[path.stem] = _listed(kind, path, origin)
    return [found[name] for name in sorted(found)]


def _listed(kind: Kind, path: Path, origin: str) -> Listed:
    try:
        if not NAME.fullmatch(path.stem):
            raise ConfigError(f"{printable(path)}: cannot be chosen by this name; rename it")
        tree = load(kind, str(path.absolute())).tree
        return Listed(path.stem, str(tree.get("description", "")), path, origin, subject=str(tree.get("name", "")))
    except ConfigError as error:
        return Listed(path.stem, "", path, origin, str(error))


def own_copy(kind: Kind, name: str) -> Path:
    """Return the file of a preset for its user to edit: a built-in one is copied to the user's folder first.

    Raises:
        ConfigError: if there is no such preset, or it cannot be copied.
    """
    path = find(kind, name)
    if path.parent.parent != BUILT_IN:
        return path
    copy = user_folder() / kind / path.name
    write(copy, read(path)[0])
    return copy


def write(path: Path, text: str) -> None:
    """Put ``text`` in the place of a preset file, at once or not at all; its folder is made if need be.

    Raises:
        ConfigError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path.resolve(), text.encode())  # a link stays one: what it leads to is replaced
    except OSError as error:
        raise ConfigError(f"{printable(path)}: cannot be written: {error.strerror}") from None


def _toml_files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith(".")]
    except OSError:
        return []  # there need be no such folder
