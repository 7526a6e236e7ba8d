"""One effective configuration out of an experiment, presets and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cifar_core.errors import ConfigError, printable
from cifar_core.wording import dotted, shown
from cifar_experiments.presets.fields import is_optional
from cifar_experiments.presets.files import Kind, Preset, load
from cifar_experiments.presets.layers import COMMAND_LINE, DEFAULT, Key, Layers, PresetFile, Source
from cifar_experiments.presets.toml import leaves, toml_value

if TYPE_CHECKING:
    from cifar_core.config import Config

SECTIONS: dict[str, Kind] = {"model": "models", "augment": "augments", "optimizer": "optimizers"}
"""The sections that a preset can fill, and which kind of preset does."""


@dataclass(frozen=True, slots=True)
class Composed:
    """An effective configuration, the source of every dotted key of it, and the presets that sections began as."""

    config: Config
    sources: Mapping[str, Source]
    presets: Mapping[str, Preset]


@dataclass(frozen=True, slots=True)
class Row:
    """One value of an effective configuration as TOML ("" for none), and where it came from."""

    key: str
    value: str
    source: Source


def compose(
    experiment: str | None = None,
    *,
    model: str | None = None,
    augment: str | None = None,
    optimizer: str | None = None,
    overrides: Sequence[str] = (),
) -> Composed:
    """Return the effective configuration of an experiment with changes.

    Each of ``model``, ``augment`` and ``optimizer`` is a preset that takes the place of all that the
    experiment says about that section. ``overrides`` are ``key=value`` words and win over everything;
    ``optimizer=adamw`` is the same as ``optimizer="adamw"`` here, and ``schedule=cosine`` begins that
    schedule afresh. ``training.clip_norm=`` takes a value away, where there need be none. The schedule
    that an optimizer preset suggests gives way to the experiment's own, unless that preset was chosen
    here. Without an experiment, the presets give the name.

    Raises:
        ConfigError: with one line for every fault.
    """
    from cifar_core.validation import parse_override

    given = {"model": model, "augment": augment, "optimizer": optimizer}
    chosen = {section: name for section, name in given.items() if name is not None}
    changes: list[tuple[Key, object]] = []
    faults: list[str] = []
    for word in overrides:
        try:
            key, value = parse_override(word)
        except ConfigError as error:
            faults.append(str(error))
            continue
        if key not in (*SECTIONS, "schedule"):
            changes.append((tuple(key.split(".")), None if value == "" and is_optional(key) else value))
        elif isinstance(value, str):
            chosen[key] = value
        else:
            faults.append(f"command line: {key}: must be a name, not {shown(value)}")
    if faults:
        raise ConfigError("\n".join(faults))
    preset = None if experiment is None else load("experiments", experiment)
    return compose_preset(preset, chosen, changes)


def compose_preset(
    preset: Preset | None, chosen: Mapping[str, str] = MappingProxyType({}), changes: Sequence[tuple[Key, object]] = ()
) -> Composed:
    """Return the effective configuration of an experiment that is already read; else as ``compose``.

    Raises:
        ConfigError: with one line for every fault.
    """
    from cifar_core.validation import parse

    layers = Layers()
    if preset is not None:
        _lay_experiment(layers, preset, chosen)
    for section, name in chosen.items():
        if section in SECTIONS:
            layers.put_preset(section, _refer(section, name, COMMAND_LINE.place))
    if "schedule" in chosen:
        layers.drop("schedule")
        layers.put(("schedule", "name"), chosen["schedule"], COMMAND_LINE)
    if preset is None:
        names = [layers.presets[section].name for section in SECTIONS if section in layers.presets]
        layers.put(("name",), "-".join(names)[:100] or "unnamed", COMMAND_LINE if names else DEFAULT)
    for key, value in changes:
        layers.put(key, value, COMMAND_LINE)
    _refuse_strays(layers)
    places = {dotted(key): source.place for key, source in layers.sources.items()}
    config = parse(layers.tree, lambda key: places.get(key, ""))
    sources = {key: layers.sources.get(tuple(key.split(".")), DEFAULT) for key, _ in leaves(config)}
    return Composed(config, MappingProxyType(sources), MappingProxyType(layers.presets))


def _lay_experiment(layers: Layers, preset: Preset, chosen: Mapping[str, str]) -> None:
    file = PresetFile(preset, f"experiment {printable(preset.name)}")
    layers.put(("name",), preset.name[:100], file.source(()))
    # Optimizers come before the schedule that takes the place of the one that their preset suggests.
    for section in sorted(preset.tree.keys() - chosen.keys(), key=lambda section: section not in SECTIONS):
        value = preset.tree[section]
        if section in SECTIONS and isinstance(value, str):
            value = {"preset": value}
        if section in SECTIONS and isinstance(value, dict) and "preset" in value:
            name, value = value["preset"], {key: item for key, item in value.items() if key != "preset"}
            layers.put_preset(section, _refer(section, name, file.source((section,)).place, preset.path.parent))
        elif section == "schedule":
            layers.drop(section)
        layers.put_section(section, value, file, (section,))


def _refer(section: str, name: object, place: str, beside: Path | None = None) -> Preset:
    """Return the preset that a section names, with the section and its place put before what goes wrong."""
    if not isinstance(name, str):
        raise ConfigError(f"{place}: {section}.preset: must be the name of a preset, not {shown(name)}")
    try:
        return load(SECTIONS[section], name, beside)
    except ConfigError as error:
        raise ConfigError(f"{place}: {section}: {error}") from None


def _refuse_strays(layers: Layers) -> None:
    """Tell of keys that were meant for another ``name`` than the section has now, and of the way around."""
    from cifar_core.faults import allowed_keys

    faults = []
    for section, had in layers.renamed.items():
        table = layers.tree[section]
        if not isinstance(table, dict) or not isinstance(name := table["name"], str):
            continue
        source = layers.sources[section, "name"]
        known = allowed_keys(section, name)
        strays = [key for key in table if known and key in allowed_keys(section, had) and key not in known]
        if strays:
            faults.append(
                f"{source.place}: {section}.name: {name} instead of {had} leaves {', '.join(strays)} without a place; "
                f"to begin afresh, choose {section}={name} on the command line"
            )
    if faults:
        raise ConfigError("\n".join(faults))


def explain(composed: Composed) -> list[Row]:
    """Return a row for every value of the effective configuration, for ``presets show`` and the first screen."""
    return [
        Row(key, "" if value is None else toml_value(value), composed.sources[key])
        for key, value in leaves(composed.config)
    ]
