"""A choice that is about to be started: an experiment, presets in place of its own, and values changed by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cifar_core.errors import ConfigError, printable
from cifar_experiments.presets.composing import Composed, compose, explain
from cifar_experiments.presets.fields import Field, about, names, needs
from cifar_experiments.presets.layers import COMMAND_LINE, Source

__all__ = ["Draft", "DraftRow", "Field", "about", "fault", "needs", "rows"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a launch screen holds. It is the same as a command line, which ``arguments`` returns.

    An edit of ``model.name``, ``optimizer.name`` or ``schedule.name`` to another one than the presets have begins the
    section afresh, as the words ``model=resnet18``, ``optimizer=adamw`` and ``schedule=cosine`` do: what was said of
    one optimizer says nothing of another. The other edits of the section go with the name that they were made for.
    """

    experiment: str | None = None
    """Name or path."""
    model: str | None = None
    augment: str | None = None
    optimizer: str | None = None
    """Presets in place of the experiment's own."""
    edits: tuple[tuple[str, str], ...] = ()
    """Dotted key and value as typed, in the order of editing; the last word on a key wins.

    A value is read as on the command line. An empty text takes a value away that may be left out.
    """

    def edited(self, key: str, text: str) -> Draft:
        """Return the draft with one more edit, in place of an earlier one of this key."""
        return replace(self, edits=(*self._edits_beside(key), (key, text)))

    def without(self, key: str) -> Draft:
        """Return the draft without the edit of a key; the same one where there is no such edit."""
        return replace(self, edits=self._edits_beside(key)) if key in dict(self.edits) else self

    def composed(self) -> Composed:
        """Return the effective configuration.

        Raises:
            ConfigError: with one line for every fault.
        """
        presets = {"model": self.model, "augment": self.augment, "optimizer": self.optimizer}
        return compose(self.experiment, **presets, overrides=self._words())

    def arguments(self) -> list[str]:
        """Return the equal command line, in words: ``cifar-tui --no-tui quickstart --model resnet18 training.seed=1``.

        One that names neither an experiment nor a preset is refused by the command, for it would say nothing.
        """
        presets = {"--model": self.model, "--augment": self.augment, "--optimizer": self.optimizer}
        chosen = [word for option, name in presets.items() if name is not None for word in (option, name)]
        experiment = [] if self.experiment is None else [self.experiment]
        return ["cifar-tui", "--no-tui", *experiment, *chosen, *self._words()]

    def _edits_beside(self, key: str) -> tuple[tuple[str, str], ...]:
        section = _named_section(key)
        return tuple(
            (each, text) for each, text in self.edits if each != key and (not section or _section(each) != section)
        )

    def _words(self) -> list[str]:
        """Return the edits as words of the command line."""
        edits = dict(self.edits)
        had: dict[str, str] | None = None
        words = []
        for key, text in edits.items():
            section, name = _named_section(key), text.strip()
            if section and name in names(section):
                had = self._unedited_names() if had is None else had
                if had.get(section) != name:
                    words.append(f"{section}={name}")
                    continue
            words.append(f"{key}={text}")
        return words

    def _unedited_names(self) -> dict[str, str]:
        """Return the name of each section that has one as the presets have it; none where they are broken."""
        try:
            config = replace(self, edits=()).composed().config
        except ConfigError:
            return {}
        return {"model": config.model.name, "optimizer": config.optimizer.name, "schedule": config.schedule.name}


@dataclass(frozen=True, slots=True)
class DraftRow:
    """One value of the effective configuration as TOML ("" for none), and where it came from."""

    key: str
    value: str
    source: Source
    saved: str | None
    """The value of the experiment as it is saved, where that is another one; "" where it has none."""


def rows(draft: Draft) -> list[DraftRow]:
    """Return every value of the effective configuration, in the order of ``explain``.

    Where the experiment itself cannot be used, only with what takes the place of its faults, no value is compared
    with it. Without an experiment, values are compared with what the presets alone come to.

    Raises:
        ConfigError: with one line for every fault.
    """
    now = explain(draft.composed())
    unchanged = replace(draft, edits=()) if draft.experiment is None else Draft(draft.experiment)
    try:
        saved = {row.key: row.value for row in explain(unchanged.composed())}
    except ConfigError:
        return [DraftRow(row.key, row.value, row.source, None) for row in now]
    before = [saved.get(row.key, "") for row in now]
    return [
        DraftRow(row.key, row.value, row.source, None if row.value == had else had)
        for row, had in zip(now, before, strict=True)
    ]


def fault(draft: Draft, key: str, text: str) -> str | None:
    """Return the sentence that says why an edit cannot be, else None; cheap enough for every key stroke.

    Faults that the draft has without it are not the edit's. Of several that it brings, its own key's comes first:
    other keys may object too, and a schedule may need a key that is not there yet (see ``needs``).
    """
    found, _ = _faults(draft.edited(key, text))
    if not found:
        return None
    # With the key as it is now, and as it is unedited: what is wrong in both ways is not for this edit to mend.
    before, files = _faults(draft)
    unedited = draft.without(key)
    if before and unedited != draft:
        lines, files = _faults(unedited)
        before = [line for line in before if line in lines]
    new = [_unplaced(line, files) for line in found if line not in before]
    return next((line for line in new if line.startswith(f"{key}: ")), new[0] if new else None)


def _faults(draft: Draft) -> tuple[list[str], set[str]]:
    """Return a line for every fault; where there is none, the files that the values come from."""
    try:
        composed = draft.composed()
    except ConfigError as error:
        return str(error).split("\n"), set()
    return [], {printable(source.path) for source in composed.sources.values() if source.path}


def _unplaced(line: str, files: set[str]) -> str:
    """Leave out where a fault is, if that is in the edit, or in a file that was right without the edit."""
    place, _, rest = line.partition(": ")
    return rest if place == COMMAND_LINE.place or place in files or place.rpartition(":")[0] in files else line


def _section(key: str) -> str:
    return key.partition(".")[0]


def _named_section(key: str) -> str:
    """Return the section that an edit of this key begins afresh, else ""."""
    section, _, last = key.rpartition(".")
    return section if last == "name" and names(section) else ""
