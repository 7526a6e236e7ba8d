"""What the launch screen makes of a draft: runs, and presets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cifar_core.errors import ConfigError
from cifar_experiments import presets, runs
from cifar_experiments.presets.draft import Draft
from cifar_experiments.presets.files import NAME, find, user_folder
from cifar_experiments.runs.resuming import Start

if TYPE_CHECKING:
    from cifar_core.data.availability import Availability

MOST_SEEDS = 100


def images_of(draft: Draft) -> Availability:
    """Return whether the images of a draft are there.

    Raises:
        ConfigError: The draft is wrong.
    """
    from cifar_core.data.availability import availability

    return availability(draft.composed().config.data)


def starts(draft: Draft, runs_dir: Path | None, seeds: int | None = None) -> list[Start]:
    """Make the run of a draft, or with ``seeds`` that many, whose seeds count up from its own.

    Raises:
        ConfigError: The draft is wrong, or no run can be kept there.
    """
    drafts = [draft]
    if seeds is not None:
        first = draft.composed().config.training.seed
        drafts = [draft.edited("training.seed", str(first + number)) for number in range(seeds)]
    configs = [each.composed().config for each in drafts]
    return [
        Start(runs.create(config, runs_dir, command=each.arguments()), config)
        for each, config in zip(drafts, configs, strict=True)
    ]


def seeds_fault(text: str) -> str | None:
    """Return why this is no number of seeds."""
    if text.strip().isdecimal() and len(text.strip()) <= 3 and 1 <= int(text) <= MOST_SEEDS:
        return None
    return f"a whole number from 1 to {MOST_SEEDS}"


def name_fault(text: str) -> str | None:
    """Return why no preset of the user's can have this name."""
    if NAME.fullmatch(text) and not text.endswith(".toml"):
        return None
    return "letters, digits and . _ - only, at most 100, beginning with a letter or digit, and without .toml"


def path_of(name: str) -> Path:
    """Return where an experiment of the user's with this name is."""
    return user_folder() / "experiments" / f"{name}.toml"


def save(draft: Draft, name: str, description: str, *, overwrite: bool) -> tuple[Path, Draft]:
    """Save a draft as an experiment of the user's; return its file, and the draft that means it.

    Raises:
        ConfigError: The draft is wrong, or the file cannot be used; it is then what it was before.
    """
    path = presets.save("experiments", name, draft.composed(), description, overwrite=overwrite)
    try:
        hidden = find("experiments", name).resolve() != path.resolve()
    except ConfigError:
        hidden = True
    return path, Draft(str(path) if hidden else name)
