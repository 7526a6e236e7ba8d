"""What a user has set for the screens, and what the screens remember of how they were left."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import msgspec
from platformdirs import user_config_path, user_state_path

from cifar_core.errors import ConfigError, printable
from cifar_core.wording import shown
from cifar_experiments.atomic import replace_file
from cifar_experiments.presets.files import read

ThemeName = Literal["dark", "light", "ansi"]
THEMES: tuple[ThemeName, ...] = get_args(ThemeName)

_TABLE = 'must be a table of names of keys, such as "monitor.pause" = "space,p"'


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's ``settings.toml``; what is wrong in it is left out, and told by ``faults``."""

    theme: ThemeName | None = None
    ascii: bool = False
    keys: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Keys by the id of the binding that they are for, several with commas between them."""
    faults: tuple[str, ...] = ()


class Layout(msgspec.Struct, kw_only=True):
    """How the screens were left, to be found so again."""

    theme: ThemeName = "dark"
    hidden: set[str] = msgspec.field(default_factory=set)
    """The names of panes of the monitor."""
    log: bool = False
    smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.9
    recent: bool = False
    """Whether charts show the newest steps rather than all."""
    sort: str = ""
    """The column that the list of runs is sorted by."""


def settings_path() -> Path:
    """Return where a user's settings are; there need be none."""
    return user_config_path("cifar-tui", appauthor=False) / "settings.toml"


def read_settings(path: Path) -> Settings:
    """Return what a settings file says; never raises, see ``Settings.faults``."""
    try:
        path.stat()
    except FileNotFoundError:
        return Settings()
    except OSError:
        pass  # which reading it tells of
    try:
        _, tree = read(path)
    except ConfigError as error:
        return Settings(faults=(str(error),))
    faults = [f"{key}: unknown; known are theme, ascii and keys" for key in tree.keys() - {"theme", "ascii", "keys"}]
    theme, ascii_only, keys = tree.get("theme"), tree.get("ascii", False), tree.get("keys", {})
    if theme not in (None, *THEMES):
        faults.append(f"theme: must be one of {', '.join(THEMES)}, not {shown(theme)}")
        theme = None
    if not isinstance(ascii_only, bool):
        faults.append(f"ascii: must be true or false, not {shown(ascii_only)}")
        ascii_only = False
    if not isinstance(keys, dict):
        faults.append(f"keys: {_TABLE}")
        keys = {}
    faults += [f"keys.{name}: {_TABLE}" for name, value in keys.items() if not _names_keys(value)]
    return Settings(
        theme=theme,
        ascii=ascii_only,
        keys=MappingProxyType({name: value for name, value in keys.items() if _names_keys(value)}),
        faults=tuple(printable(f"{path}: {fault}") for fault in faults),
    )


def _names_keys(value: object) -> bool:
    """Whether this is a text of names of keys, with commas between them."""
    return isinstance(value, str) and all(name.strip() and name.isprintable() for name in value.split(","))


def layout_path() -> Path:
    """Return where the screens remember how they were left."""
    return user_state_path("cifar-tui", appauthor=False) / "layout.json"


def read_layout(path: Path) -> Layout:
    """Return how the screens were left; as they are at first, where that is not known."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return msgspec.json.decode(path.read_bytes(), type=Layout)
    return Layout()


def write_layout(path: Path, layout: Layout) -> None:
    """Remember how the screens were left; where that cannot be written, it is forgotten."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(layout), durable=False)
