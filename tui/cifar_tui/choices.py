"""What a draft comes to, and what there is to choose from instead: all that the launch screen shows of files."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cifar_core.errors import ConfigError
from cifar_experiments.presets import KINDS, Composed, Kind, Listed, listing
from cifar_experiments.presets.composing import SECTIONS
from cifar_experiments.presets.draft import Draft, DraftRow, rows
from cifar_experiments.presets.files import folders

if TYPE_CHECKING:
    from cifar_core.config import Config

OWN = "(its own)"
"""What an experiment has in place of a listed preset."""

_FIRST = ("training.epochs", "training.batch_size", "training.seed", "optimizer.lr")
"""What is changed most often."""
_SHARED = tuple(f"optimizer.{key}" for key in ("decayed", "lr_factors", "lr_epochs", "lookahead", "sam"))
"""What every optimizer has, behind what is its own."""
_SECTIONS = ("optimizer", "schedule", "training", "model", "augment", "data")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list of presets."""

    value: str | None
    """What a draft has for it; None is what the experiment has by itself."""
    name: str
    description: str = ""
    error: str | None = None
    """The sentence that says why it cannot be used."""
    changed: bool = False
    """Whether the user has changed something about it that is not saved."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Entries of one kind, and which of them are in force."""

    entries: tuple[Entry, ...]
    chosen: int | None
    own: int | None = None
    """What the experiment has by itself."""
    empty: str = ""
    """The sentence in place of no entries."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a draft comes to; ``composed`` is None where it comes to nothing, and ``faults`` says why."""

    draft: Draft
    choices: dict[Kind, Choices]
    command: str
    """The equal command line."""
    composed: Composed | None = None
    rows: tuple[DraftRow, ...] = ()
    faults: str = ""
    """One sentence a line."""

    @property
    def config(self) -> Config | None:
        """The effective configuration."""
        return None if self.composed is None else self.composed.config


def effect(draft: Draft, changed: Collection[str | None] = ()) -> Effect:
    """Look what there is and what a draft comes to; reads some files, and raises nothing for what is wrong in them.

    Args:
        draft: The choice.
        changed: The experiments about which something was changed.
    """
    listings = {kind: listing(kind) for kind in KINDS}
    own = _own_presets(draft)
    choices: dict[Kind, Choices] = {"experiments": experiments(draft, listings["experiments"], changed)}
    for section, kind in SECTIONS.items():
        choices[kind] = _presets(kind, listings[kind], getattr(draft, section), own.get(section))
    command = shlex.join(draft.arguments())
    try:
        return Effect(draft, choices, command, draft.composed(), tuple(sorted(rows(draft), key=_interest)))
    except ConfigError as error:
        return Effect(draft, choices, command, faults=str(error))


def _interest(row: DraftRow) -> float:
    """Return the place of a row among those that are of most interest, else that of its section."""
    if row.key in _FIRST:
        return _FIRST.index(row.key)
    section = row.key.partition(".")[0]
    place = _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)
    return len(_FIRST) + place + (row.key in _SHARED) / 2


def _own_presets(draft: Draft) -> dict[str, str]:
    """Return by section what the experiment has by itself, as a path."""
    try:
        composed = Draft(draft.experiment).composed()
    except ConfigError:
        return {}
    return {section: str(preset.path) for section, preset in composed.presets.items()}


def experiments(draft: Draft, listed: list[Listed], changed: Collection[str | None] = ()) -> Choices:
    """Return the experiments there are, of which ``listed`` are listed presets; cheap enough for the first frame."""
    entries = [Entry(each.name, each.name, _described(each), each.error, each.name in changed) for each in listed]
    given = draft.experiment
    if given is not None and all(each.value != given for each in entries):
        entries.insert(0, Entry(given, given, "as named when this was started", changed=given in changed))
    chosen = next((index for index, each in enumerate(entries) if each.value == given), None)
    return Choices(tuple(entries), chosen, empty=_nothing("experiments"))


def _presets(kind: Kind, listed: list[Listed], given: str | None, own: str | None) -> Choices:
    entries = [
        Entry(None if str(each.path) == own else each.name, each.name, _described(each), each.error) for each in listed
    ]
    if all(each.value is not None for each in entries):
        entries.insert(0, Entry(None, OWN, "what the experiment says itself"))
    if given is not None and all(given not in (each.value, each.name) for each in entries):
        entries.insert(0, Entry(given, given, "as named when this was started"))
    own_index = next(index for index, each in enumerate(entries) if each.value is None)
    chosen = next(
        (index for index, each in enumerate(entries) if given is not None and given in (each.value, each.name)),
        own_index,
    )
    return Choices(tuple(entries), chosen, own_index, _nothing(kind))


def _described(listed: Listed) -> str:
    origin = "" if listed.origin == "built-in" else f" ({listed.origin})"
    return f"{_published(listed.subject)}{listed.description or 'no description'}{origin}"


def _published(network: str) -> str:
    """Return what is published of a network of torchvision's, to stand before other words; nothing of others."""
    from cifar_core.models import catalog  # reads a file, which the first frame has no use for

    found = catalog.find(network)
    if found is None:
        return ""
    sets = [each for each in found.weights if each.top1_error is not None]
    names = [f"{each.name.removeprefix('IMAGENET1K_')} " if len(sets) > 1 else "" for each in sets]
    errors = [f"{name}{each.top1_error:.1f}/{each.top5_error:.1f} %" for name, each in zip(names, sets, strict=True)]
    sizes = f"{_short(found.parameters)}, {_short(found.multiply_adds)} multiply-adds"
    return f"on ImageNet {sizes}, error {', '.join(errors)}; "


def _short(count: int) -> str:
    """Return ``314 M`` or ``11.7 M`` or ``1.8 G``."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} G"
    return f"{count / 1e6:.0f} M" if count >= 1e8 else f"{count / 1e6:.1f} M"


def _nothing(kind: Kind) -> str:
    return f"no presets in {', '.join(str(folder) for _, folder in folders(kind))}"
