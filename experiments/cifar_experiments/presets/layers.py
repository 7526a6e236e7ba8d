"""A tree that grows layer on layer, and where each key of it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cifar_core.errors import printable
from cifar_experiments.presets.files import Preset
from cifar_experiments.presets.lines import key_lines

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from: in words, and in which line of which file where that is known."""

    label: str
    path: Path | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """How an error begins: "my.toml:12", "command line", or nothing for a default."""
        if self.path is None:
            return "" if self == DEFAULT else self.label
        return printable(self.path) if self.line is None else f"{printable(self.path)}:{self.line}"


DEFAULT = Source("default")
COMMAND_LINE = Source("command line")


@dataclass(slots=True)
class Layers:
    """The tree as it grows, layer on layer; the last word on a key wins."""

    tree: dict[str, object] = field(default_factory=dict)
    sources: dict[Key, Source] = field(default_factory=dict)
    presets: dict[str, Preset] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """Sections whose ``name`` a later layer changed, with the name that they had."""

    def put(self, key: Key, value: object, source: Source) -> None:
        """Set one key, in tables that are made where there are none."""
        node = self.tree
        for depth, part in enumerate(key[:-1], 1):
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
                self.sources[key[:depth]] = source
            node = child
        had = node.get(key[-1])
        if len(key) == 2 and key[1] == "name" and isinstance(had, str) and had != value:
            self.renamed[key[0]] = had
        node[key[-1]] = value
        self.sources[key] = source

    def drop(self, section: str) -> None:
        """Forget all that was said about a section."""
        self.tree.pop(section, None)
        self.presets.pop(section, None)
        self.renamed.pop(section, None)
        self.sources = {key: source for key, source in self.sources.items() if key[0] != section}

    def put_section(self, section: str, table: object, file: PresetFile, at: Key) -> None:
        """Lay the table that stands at ``at`` in a file over a section; what is no table is put as it is."""
        if not isinstance(table, dict):
            self.put((section,), table, file.source(at))
            return
        self.tree.setdefault(section, {})
        self.sources[section,] = file.source(at)
        for key, value in table.items():
            self.put((section, key), value, file.source((*at, key)))

    def put_preset(self, section: str, preset: Preset) -> None:
        """Begin a section anew as ``preset`` has it, and the schedule too where an optimizer's suggests one."""
        tree = {key: value for key, value in preset.tree.items() if key != "description"}
        suggests = section == "optimizer" and "schedule" in tree
        schedule = tree.pop("schedule") if suggests else None
        file = PresetFile(preset, f"preset {printable(preset.name)}")
        self.drop(section)
        self.presets[section] = preset
        self.put_section(section, tree, file, ())
        if suggests:
            self.drop("schedule")
            self.put_section("schedule", schedule, file, ("schedule",))


class PresetFile:
    """A preset file as a source of values."""

    def __init__(self, preset: Preset, label: str) -> None:
        self._preset, self._label = preset, label
        self._lines = key_lines(preset.text)

    def source(self, key: Key) -> Source:
        """Return the source of what stands at ``key``; inside an inline table, the line that begins it."""
        lines = (self._lines.get(key[:length]) for length in range(len(key), 0, -1))
        return Source(self._label, self._preset.path, next((line for line in lines if line), None))
