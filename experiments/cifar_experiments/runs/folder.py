"""The run folder: how one is made, what lies in it, and how its events are read back."""

from __future__ import annotations

import os
import platform
import re
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path

from cifar_core.errors import CifarError, ConfigError, printable
from cifar_core.events import AnyEvent, from_json
from cifar_experiments.atomic import replace_file
from cifar_experiments.presets.toml import whole_text
from cifar_experiments.runs.summary import Summary, to_bytes

if TYPE_CHECKING:
    from cifar_core.config import Config


class RunFolderError(CifarError):
    """A run's folder cannot be written, or holds what is no record of a run."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder and the configuration that it was made for."""

    id: str
    path: Path
    config: Config
    started: float
    """Seconds since 1970-01-01 UTC."""

    @property
    def toml(self) -> Path:
        """The file with the whole effective configuration; itself an experiment that repeats the run."""
        return self.path / "config.toml"

    @property
    def events(self) -> Path:
        """The file with one line of JSON for each event."""
        return self.path / "events.jsonl"

    @property
    def summary(self) -> Path:
        """The file with a ``Summary`` as JSON."""
        return self.path / "summary.json"

    @property
    def checkpoints(self) -> Path:
        """The folder for checkpoints."""
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        """The file for all that the process prints."""
        return self.path / "log.txt"


def runs_folder(chosen: Path | None = None) -> Path:
    """Return the folder that runs are kept in: chosen, else ``$CIFAR_TUI_RUNS``, else the user's own."""
    named = os.environ.get("CIFAR_TUI_RUNS")
    folder = chosen or (Path(named).expanduser() if named else user_state_path("cifar-tui", appauthor=False) / "runs")
    return folder.absolute()


def create(config: Config, runs_dir: Path | None = None, *, command: Sequence[str]) -> Run:
    """Make the folder of a new run, ready to be recorded into, with its configuration and a first summary.

    ``command`` is the command line that started it, to be read again later.

    Raises:
        ConfigError: if no folder can be made or written there.
    """
    parent = runs_folder(runs_dir)
    run = None
    try:
        run = _new_folder(config, parent)
        replace_file(run.toml, f"{_header(run, command)}\n{whole_text(_movable(config))}".encode())
        run.events.touch()
        replace_file(run.summary, to_bytes(first_summary(run)))
    except OSError as error:
        if run is not None:
            shutil.rmtree(run.path, ignore_errors=True)
        raise ConfigError(
            f"{printable(parent)}: no run can be kept there: {error.strerror}; "
            "--runs-dir or CIFAR_TUI_RUNS names another folder"
        ) from None
    return run


def _movable(config: Config) -> Config:
    """The same configuration whatever folder it is used from: ``data.root`` in full."""
    if config.data.root is None or config.data.root.startswith("~"):
        return config
    root = str(Path(config.data.root).absolute())
    return config.model_copy(update={"data": config.data.model_copy(update={"root": root})})


def _new_folder(config: Config, parent: Path) -> Run:
    parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(started))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", config.name)[:60].strip("-.") or "unnamed"
    for attempt in range(100):
        run_id = f"{when}-{name}-{secrets.token_hex(2)}"
        try:
            (parent / run_id).mkdir()
            break
        except FileExistsError:
            if attempt == 99:
                raise
    return Run(run_id, parent / run_id, config, started)


def _header(run: Run, command: Sequence[str]) -> str:
    from importlib.metadata import PackageNotFoundError, version

    def version_of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"{package} of unknown version"

    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run.started))
    versions = f"{version_of('cifar-tui')}, {version_of('torch')}, Python {platform.python_version()}"
    lines = (
        f"{run.config.name}, started {when}",
        f"{versions}, seed {run.config.training.seed}",
        f"started by: {shlex.join(command)}",
        f"repeat by:  {shlex.join(['cifar-tui', '--no-tui', str(run.toml)])}",
    )
    return "".join(f"# {printable(line)}\n" for line in lines)


def first_summary(run: Run) -> Summary:
    """Return what there is to say before the first event."""
    return Summary(
        id=run.id,
        experiment=run.config.name,
        model=run.config.model.name,
        state="running",
        pid=os.getpid(),
        host=socket.gethostname(),
        started=run.started,
        total_epochs=run.config.training.epochs,
    )


def read_events(path: Path) -> Iterator[AnyEvent]:
    """Yield the events of a file that may still be written: a last line that is not whole yet is its end.

    Raises:
        RunFolderError: if the file cannot be read, or a whole line of it is no event.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield from_json(line)
                except (ValueError, RecursionError) as error:
                    raise RunFolderError(f"{printable(path)}:{number}: is no event: {printable(error)}") from None
    except OSError as error:
        raise RunFolderError(f"{printable(path)}: cannot be read: {error.strerror}") from None
