"""What a training is to go on from, and what with: the same run again, or a new one that its last checkpoint begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cifar_core.errors import ConfigError
from cifar_experiments import presets
from cifar_experiments.runs import events_file
from cifar_experiments.runs.folder import Run, create, find
from cifar_experiments.runs.summary import read_summary

if TYPE_CHECKING:
    from cifar_core.config import Config


@dataclass(frozen=True, slots=True)
class Start:
    """A training that is about to begin or to go on."""

    run: Run
    config: Config
    checkpoints: Path | None
    """The folder of checkpoints that it goes on from; None where it begins."""

    @property
    def resumed(self) -> bool:
        """Whether it goes on with the same run: its events are kept up to the checkpoint."""
        return self.checkpoints == self.run.checkpoints


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
    if now == was:
        return Start(run, was, _checkpoints(run))
    if _checkpoints(run) != run.checkpoints:
        raise ConfigError(
            f"{run.id} has no checkpoint yet that another configuration could go on from; "
            f"cifar-tui {run.toml} KEY=VALUE begins anew with it"
        )
    new = create(now, runs_dir or run.path.parent, command=command, parent=run)
    return Start(new, now, run.checkpoints)


def _checkpoints(run: Run) -> Path | None:
    """The checkpoints that ``run`` goes on from.

    They are its own once one was saved: should they all be gone since, going on is refused, for to begin
    anew would destroy the record of what was done.
    """
    if any(run.checkpoints.glob("*.json")) or events_file.was_saved(run.events):
        return run.checkpoints
    parent = read_summary(run.summary).parent
    return None if parent is None else Run(Path(parent)).checkpoints
