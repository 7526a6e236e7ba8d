"""Write a composed configuration as a preset of the user's.

A saved experiment stays short and readable: a section that began as a preset by name is saved as that name
with what was changed, everything else as what differs from the defaults. The complete record of what was
run is not this file but the ``config.toml`` of the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import tomli

from cifar_core.errors import ConfigError, printable
from cifar_core.wording import shown
from cifar_experiments.presets.composing import SECTIONS, Composed, compose_preset
from cifar_experiments.presets.files import BUILT_IN, NAME, Kind, Preset, find, read, user_folder, write
from cifar_experiments.presets.toml import toml_text

if TYPE_CHECKING:
    from tomlkit.container import Container
    from tomlkit.items import AbstractTable

    from cifar_core.config import Section

COMMANDS = frozenset(
    "attach checkpoint compare doctor export keys lr-find pause presets resume run runs serve set stop".split()  # noqa: SIM905
)
"""What an experiment cannot be called, since the command line would take it for a command."""


def save(
    kind: Kind,
    name: str,
    composed: Composed,
    description: str = "",
    *,
    folder: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Save an experiment, or of another ``kind`` that section of it, and return the file.

    A ``description`` takes the place of the experiment's own; ``folder`` is the folder that has one below it for
    each kind, by default the user's. A file that is there is only changed when ``overwrite`` says so, and its
    comments stay. An optimizer is saved without its schedule.

    Raises:
        ConfigError: if the name or the file cannot be used; the file is then what it was before.
    """
    if not NAME.fullmatch(name) or name.endswith(".toml"):
        raise ConfigError(
            f"{shown(name)} cannot be the name of a preset: letters, digits and . _ - only, at most 100, beginning "
            "with a letter or digit, and without .toml"
        )
    if kind == "experiments" and name in COMMANDS:
        raise ConfigError(f"an experiment cannot be called {name}, since 'cifar-tui {name}' is a command")
    root = folder or user_folder()
    path = root / kind / f"{name}.toml"
    words = description or composed.config.description
    tree: dict[str, object] = {"description": words} if words else {}
    tree |= _experiment(composed, root) if kind == "experiments" else _section(composed, kind)
    if not os.path.lexists(path):
        text = toml_text(tree)
    elif overwrite:
        text = _changed(path, tree)
    else:
        raise ConfigError(f"{printable(path)}: is there already; --overwrite changes it")
    write(path, text)
    return path


def _section(composed: Composed, kind: Kind) -> dict[str, object]:
    section = next(section for section, its_kind in SECTIONS.items() if its_kind == kind)
    return _differences(getattr(composed.config, section))


def _differences(section: Section) -> dict[str, object]:
    """Return what a section says beyond its defaults, with its name where it has one."""
    tree: dict[str, object] = section.model_dump(exclude_defaults=True)
    name = getattr(section, "name", None)
    return tree if name is None else {"name": name, **tree}


def _experiment(composed: Composed, root: Path) -> dict[str, object]:
    config = composed.config
    tree: dict[str, object] = {}
    for section in SECTIONS:
        preset = composed.presets.get(section)
        reference = _reference(section, composed, preset) if preset and _is_lasting(preset, root) else None
        tree[section] = _differences(getattr(config, section)) if reference is None else reference
    tree["schedule"] = _differences(config.schedule)
    tree["data"] = _differences(config.data)
    tree["training"] = _differences(config.training)
    return {key: value for key, value in tree.items() if value != {}}


def _is_lasting(preset: Preset, root: Path) -> bool:
    """Whether the preset's name will mean it wherever the saved experiment is used."""
    try:
        found = find(preset.kind, preset.name)
    except ConfigError:
        return False
    return found.resolve() == preset.path.resolve() and preset.path.resolve().parent.parent in (
        BUILT_IN.resolve(),
        user_folder().resolve(),
        root.resolve(),
    )


def _reference(section: str, composed: Composed, preset: Preset) -> object:
    """Return the preset's name, or a table of it and the changes; None if the changes cannot be said so."""
    kept = {key: value for key, value in preset.tree.items() if key not in ("description", "schedule")}
    alone = Preset("experiments", preset.name, preset.path, "", {section: kept})
    try:
        before = getattr(compose_preset(alone).config, section)
    except ConfigError:
        return None  # it is only right together with the changes
    after = getattr(composed.config, section)
    if type(before) is not type(after):
        return None  # another optimizer by now, with other defaults
    changed = {key: value for key, value in after.model_dump().items() if getattr(before, key) != value}
    if None in changed.values():
        return None  # TOML has no word for a value that was taken away
    return {"preset": preset.name, **changed} if changed else preset.name


def _changed(path: Path, tree: Mapping[str, object]) -> str:
    """Return the text of a preset file changed to say ``tree``, with the comments that it has.

    Raises:
        ConfigError: if the file cannot be read, or not be changed without losing comments.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    text, _ = read(path)
    try:
        document = tomlkit.parse(text)
        _update(document, tree)
        changed = tomlkit.dumps(document)
        if tomli.loads(changed) == tomli.loads(toml_text(tree)):
            return changed
    except (TOMLKitError, tomli.TOMLDecodeError, RecursionError):
        pass
    raise ConfigError(f"{printable(path)}: cannot be changed with its comments kept; save under another name")


def _update(table: Container | AbstractTable, tree: Mapping[str, object]) -> None:
    """Make a tomlkit table say ``tree``, touching nothing that says it already."""
    before = table.unwrap()
    for key in before.keys() - tree.keys():
        table.remove(key)
    for key, value in tree.items():
        if isinstance(value, Mapping) and isinstance(before.get(key), dict):
            _update(cast("AbstractTable", table[key]), value)
            continue
        if isinstance(value, Mapping) and key in before:
            table.remove(key)  # a table in the place of a plain value would swallow the keys after it
        plain = _plain(value)
        if key not in before or repr(before[key]) != repr(plain):  # by its text, since 1 == True
            table[key] = plain


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
