"""The run folder: how one is made, what lies in it, and how one is found by its name."""

from __future__ import annotations

import os
import platform
import re
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path

from cifar_core.errors import ConfigError, printable
from cifar_experiments.atomic import replace_file, sync_folder
from cifar_experiments.errors import RunFolderError
from cifar_experiments.presets.toml import whole_text
from cifar_experiments.runs.summary import Summary, to_bytes

if TYPE_CHECKING:
    from cifar_core.config import Config


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder, and what lies where in it."""

    path: Path

    @property
    def id(self) -> str:
        """What the run is called: the name of its folder."""
        return self.path.name

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

    @property
    def lock(self) -> Path:
        """The file that says which process works on the run."""
        return self.path / "lock"

    @property
    def socket(self) -> Path:
        """The Unix socket that a run under way listens on."""
        return self.path / "control.sock"


def runs_folder(chosen: Path | None = None) -> Path:
    """Return the folder that runs are kept in: chosen, else ``$CIFAR_TUI_RUNS``, else the user's own."""
    named = os.environ.get("CIFAR_TUI_RUNS")
    folder = chosen or (Path(named).expanduser() if named else user_state_path("cifar-tui", appauthor=False) / "runs")
    return folder.absolute()


def in_folder(runs_dir: Path | None = None) -> list[Run]:
    """Return the runs that are kept in a folder, the newest last.

    Raises:
        RunFolderError: The folder cannot be read. One that is missing holds no runs.
    """
    parent = runs_folder(runs_dir)
    try:
        return sorted((Run(path) for path in parent.iterdir() if is_run(path)), key=lambda run: run.id)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFolderError(f"{printable(parent)}: cannot be read: {error.strerror}") from None


def is_run(path: Path) -> bool:
    """Whether a folder looks like a run's."""
    try:
        return path.name[:1] != "." and (path / "config.toml").is_file() and (path / "summary.json").is_file()
    except OSError:  # what cannot be looked into, such as a foreign folder among the runs
        return False


def find(name: str, runs_dir: Path | None = None) -> Run:
    """Return the run that ``name`` means: a run's folder, an id, the beginning of just one id, or "last".

    Raises:
        ConfigError: There is none, or there are several.
    """
    if os.sep in name or name in (".", ".."):
        path = Path(os.path.abspath(name))  # noqa: PTH100, which takes ".." away
        if is_run(path):
            return Run(path)
        raise ConfigError(f"{printable(name)}: is no folder of a run (one holds config.toml and summary.json)")
    there = in_folder(runs_dir)
    if name == "last" and there:
        return there[-1]
    meant = [run for run in there if run.id == name] or [run for run in there if name and run.id.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    parent = printable(runs_folder(runs_dir))
    if meant:
        ids = ", ".join(run.id for run in meant[:5]) + (", ..." if len(meant) > 5 else "")
        raise ConfigError(f"{printable(name)}: {len(meant)} runs in {parent} begin with that: {printable(ids)}")
    raise ConfigError(f"{printable(name)}: no run in {parent} is called that; cifar-tui runs list shows what there is")


def called(run: Run) -> str:
    """Return what to call a run on a command line: its id, or its path where the id alone is not found."""
    return shlex.quote(run.id if run.path.parent == runs_folder() else str(run.path))


def create(config: Config, runs_dir: Path | None = None, *, command: Sequence[str], parent: Run | None = None) -> Run:
    """Make the folder of a new run, ready to be recorded into, with its configuration and a first summary.

    Args:
        config: The whole configuration.
        runs_dir: See ``runs_folder``.
        command: The command line that started it, to be read again later.
        parent: The run from whose last checkpoint this one goes on; None for one that begins.

    Raises:
        ConfigError: if no folder can be made or written there.
    """
    folder = runs_folder(runs_dir)
    run = None
    started = time.time()
    try:
        run = _new_folder(config.name, folder, started)
        header = _header(run, config, command, parent, started)
        replace_file(run.toml, f"{header}\n{whole_text(_movable(config))}".encode())
        run.events.touch()
        summary = Summary(
            id=run.id,
            experiment=config.name,
            model=config.model.name,
            state="created",
            parent=None if parent is None else str(parent.path),
            pid=os.getpid(),
            host=socket.gethostname(),
            started=started,
            total_epochs=config.training.epochs,
        )
        replace_file(run.summary, to_bytes(summary))
    except OSError as error:
        if run is not None:
            shutil.rmtree(run.path, ignore_errors=True)
        raise ConfigError(
            f"{printable(folder)}: no run can be kept there: {error.strerror}; "
            "--runs-dir or CIFAR_TUI_RUNS names another folder"
        ) from None
    return run


def _movable(config: Config) -> Config:
    """The same configuration whatever folder it is used from: paths in full."""
    data, model, augment = config.data, config.model, config.augment
    folders = tuple(_in_full(folder) for folder in data.extra_tests)
    data = data.model_copy(update={"root": data.root and _in_full(data.root), "extra_tests": folders})
    if model.weights is not None and model.weights_path is not None:
        model = model.model_copy(update={"weights": _in_full(model.weights)})
    if augment.albumentations is not None and augment.albumentations.endswith(".toml"):
        augment = augment.model_copy(update={"albumentations": _in_full(augment.albumentations)})
    return config.model_copy(update={"data": data, "model": model, "augment": augment})


def _in_full(folder: str) -> str:
    return folder if folder.startswith("~") else str(Path(folder).absolute())


def _new_folder(experiment: str, folder: Path, started: float) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(started))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", experiment)[:60].strip("-.") or "unnamed"
    for attempt in range(100):
        run = Run(folder / f"{when}-{name}-{secrets.token_hex(2)}")
        try:
            run.path.mkdir()
            sync_folder(folder)
            break
        except FileExistsError:
            if attempt == 99:
                raise
    return run


def _header(run: Run, config: Config, command: Sequence[str], parent: Run | None, started: float) -> str:
    from importlib.metadata import PackageNotFoundError, version

    def version_of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"{package} of unknown version"

    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(started))
    versions = f"{version_of('cifar-tui')}, {version_of('torch')}, Python {platform.python_version()}"
    lines = [
        f"{config.name}, started {when}",
        f"{versions}, seed {config.training.seed}",
        f"started by: {shlex.join(command)}",
    ]
    if parent is None:
        lines.append(f"repeat by:  {shlex.join(['cifar-tui', '--no-tui', str(run.toml)])}")
    else:
        lines.append(f"goes on from the last checkpoint of {parent.path}")
    return "".join(f"# {printable(line)}\n" for line in lines)
