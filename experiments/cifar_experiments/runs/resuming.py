"""What a training is to go on from, and what with: the same run again, or a new one that its last checkpoint begins."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cifar_core.errors import ConfigError, printable
from cifar_experiments import presets
from cifar_experiments.runs import events_file
from cifar_experiments.runs.folder import Run, create, find
from cifar_experiments.runs.summary import read_summary

if TYPE_CHECKING:
    from cifar_core.config import Config


@dataclass(frozen=True, slots=True)
class Start:
    """A training that is about to begin or to go on.

    What it goes on from is looked up each time: only while this process holds the lock will it stay the same.
    """

    run: Run
    config: Config

    @property
    def checkpoints(self) -> Path | None:
        """The folder of checkpoints to go on from; None where the training begins.

        It is the run's own once a checkpoint was saved: should they all be gone since, going on is refused, for
        to begin anew would destroy the record of what was done.
        """
        if any(self.run.checkpoints.glob("*.json")) or events_file.was_saved(self.run.events):
            return self.run.checkpoints
        parent = read_summary(self.run.summary).parent
        return None if parent is None else Run(Path(parent)).checkpoints

    @property
    def resumed(self) -> bool:
        """Whether it goes on with the same run: its events are kept up to the checkpoint."""
        return self.checkpoints == self.run.checkpoints

    @property
    def is_complete(self) -> bool:
        """Whether all steps are made, and nothing is left to be made of a checkpoint."""
        summary = read_summary(self.run.summary)
        saved = _saved_steps(self.run)
        return summary.state == "completed" and (not saved or max(saved) >= summary.steps)


class _Manifest(msgspec.Struct):
    """What is read here of a checkpoint's manifest."""

    step: int


def _saved_steps(run: Run) -> list[int]:
    """The steps of the checkpoints there are."""
    steps = []
    for path in run.checkpoints.glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            steps.append(msgspec.json.decode(path.read_bytes(), type=_Manifest).step)
    return steps


def reopen(name: str, runs_dir: Path | None = None, *, command: Sequence[str], **changes: object) -> Start:
    """Return how the run called ``name`` goes on; where ``changes`` change its configuration, as a new run.

    Args:
        name: See ``find``.
        runs_dir: See ``runs_folder``; the new run is made beside the other one where it is None.
        command: The command line, to be kept in the new run.
        **changes: As ``presets.compose`` takes them: overrides, model, augment, optimizer.

    Raises:
        ConfigError: There is no such run, a change is wrong, or there is nothing that a new run could go on from.
        RunFolderError: The run's files cannot be read.
    """
    run = find(name, runs_dir)
    was = presets.compose(str(run.toml)).config
    now = presets.compose(str(run.toml), **changes).config  # type: ignore[arg-type]
    start = Start(run, was)
    if now == was:
        return start
    anew = f"{printable(f'cifar-tui {shlex.quote(str(run.toml))}')} KEY=VALUE begins anew with it"
    if now.model.name != was.model.name:
        raise ConfigError(f"model.name: the weights of {was.model.name} cannot go on as {now.model.name}; {anew}")
    if start.checkpoints != run.checkpoints:
        raise ConfigError(
            f"{printable(run.id)} has no checkpoint yet that another configuration could go on from; {anew}"
        )
    return Start(create(now, runs_dir or run.path.parent, command=command, parent=run), now)
