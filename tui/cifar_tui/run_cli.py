"""``cifar-tui run``: train an experiment, or go on with runs, on screens or without."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cifar_tui.terminal import is_interactive, say

if TYPE_CHECKING:
    from cifar_experiments.presets.draft import Draft
    from cifar_experiments.runs.resuming import Start

runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that runs are kept in (default: $CIFAR_TUI_RUNS, else the user's state folder).",
)


@click.command()
@click.argument("experiment", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--no-tui", is_flag=True, help="Without screens; also where there is no terminal, or CI is set.")
@click.option(
    "--resume", multiple=True, metavar="RUN", help="Go on with a run: its id, the beginning of it, its folder, or last."
)
@click.option("--detach", is_flag=True, help="Train in a session of its own; print the run's id and return.")
@click.option("--model", metavar="M", help="Model preset instead of the experiment's.")
@click.option("--augment", metavar="A", help="Augmentation preset instead of the experiment's.")
@click.option("--optimizer", metavar="O", help="Optimizer preset instead of the experiment's.")
@click.option("--epochs", type=int, metavar="N", help="Same as training.epochs=N.")
@click.option("--batch-size", type=int, metavar="N", help="Same as training.batch_size=N.")
@click.option("--seed", type=int, metavar="N", help="Same as training.seed=N.")
@click.option("--device", metavar="D", help="Same as training.device=D: auto, cpu, cuda, cuda:N or mps.")
@click.option("--json", is_flag=True, help="Write one event a line to standard output, nothing else.")
@runs_dir_option
def run(
    *,
    experiment: str | None,
    overrides: tuple[str, ...],
    no_tui: bool,
    resume: tuple[str, ...],
    detach: bool,
    model: str | None,
    augment: str | None,
    optimizer: str | None,
    epochs: int | None,
    batch_size: int | None,
    seed: int | None,
    device: str | None,
    json: bool,
    runs_dir: Path | None,
) -> int:
    """Train EXPERIMENT: a preset's name or a TOML file. KEY=VALUE changes one value of its configuration.

    In a terminal, this opens the app with the experiment chosen; with --no-tui it trains at once.

    With --resume, go on with a run from its last checkpoint, in the midst of an epoch if need be; given several
    times, with one after another. Any change to its configuration makes a new run of it, which goes on from there
    and names the other as its parent.

    Exits with 0 when the training is complete or was stopped on request, 2 for a wrong command line,
    preset or configuration, 3 for missing or damaged data, 4 when training failed, 75 when SIGTERM or
    SIGUSR1 stopped it with a checkpoint, 130 when interrupted a second time.
    """
    if detach and json:
        raise click.UsageError("--detach shows no events; cifar-tui attach RUN --json does")
    if experiment is not None and "=" in experiment and not Path(experiment).exists():
        overrides, experiment = (experiment, *overrides), None
    options = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "device": device}
    words = [*overrides, *(f"training.{key}={value}" for key, value in options.items() if value is not None)]
    if resume and experiment is not None:
        raise click.UsageError("--resume goes on with a run's own experiment; leave the other one out")
    changes = {"model": model, "augment": augment, "optimizer": optimizer, "overrides": words}
    if not (no_tui or detach or json) and is_interactive():
        _show(experiment, resume, changes, runs_dir)
    if not resume and experiment is model is augment is optimizer is None:
        raise click.UsageError("name an experiment, or at least one of --model, --augment and --optimizer")
    return _train(experiment, resume, changes, runs_dir, detach=detach, json=json)


def drafted(experiment: str | None, changes: dict[str, Any]) -> Draft:
    """Return what the launch screen begins with.

    Raises:
        ConfigError: There is no such experiment, or a change is none.
    """
    from cifar_core.validation import parse_override
    from cifar_experiments.presets.draft import Draft
    from cifar_experiments.presets.files import find

    if experiment is not None:
        find("experiments", experiment)
    for word in changes["overrides"]:
        parse_override(word)
    pairs = [(key.strip(), value.strip()) for key, _, value in (word.partition("=") for word in changes["overrides"])]
    return Draft(experiment, changes.get("model"), changes.get("augment"), changes.get("optimizer"), tuple(pairs))


def _show(experiment: str | None, resume: tuple[str, ...], changes: dict[str, Any], runs_dir: Path | None) -> NoReturn:
    """Open the app: with this choice, or with these runs going on.

    Raises:
        ConfigError: There is no such experiment or run, or a change is none.
    """
    from cifar_experiments.presets.draft import Draft
    from cifar_experiments.runs import find
    from cifar_tui import interactive

    draft = drafted(experiment, changes)
    for name in resume:  # all, before one of them is changed
        find(name, runs_dir)
    starts = [_reopened(name, changes, runs_dir) for name in resume]
    interactive.run(Draft() if resume else draft, runs_dir, starts=starts)


def _train(
    experiment: str | None,
    resume: tuple[str, ...],
    changes: dict[str, Any],
    runs_dir: Path | None,
    *,
    detach: bool,
    json: bool,
) -> int:
    """Train without screens, one run after another; return the highest of their exit codes."""
    from cifar_core.control import Control
    from cifar_core.errors import CifarError
    from cifar_experiments import presets, runs
    from cifar_experiments.runs.resuming import Start
    from cifar_tui import detaching, headless
    from cifar_tui.signals import obeyed

    def begun(name: str | None) -> Start:
        if name is not None:
            return _reopened(name, changes, runs_dir)
        config = presets.compose(experiment, **changes).config
        return Start(runs.create(config, runs_dir, command=_command()), config)

    # Looked up now: a name that is wrong is told before anything is trained, and none changes its meaning meanwhile.
    names: list[str | None] = [str(runs.find(name, runs_dir).path) for name in resume] or [None]
    if detach:
        control = Control()
        with obeyed(control):
            return detaching.start([begun(name).run for name in names], control)
    codes = []
    for name in names:
        control = Control()
        # Obeyed before there is a run's folder: from its first moment on, a signal leaves it in order.
        with obeyed(control) as signals:
            try:
                codes.append(headless.run(begun(name), control, signals, json=json))
            except CifarError as error:  # no reason not to train those that come after it
                say(str(error))
                codes.append(error.exit_code)
            if signals.ending:
                break
    return max(codes)


def _reopened(name: str, changes: dict[str, Any], runs_dir: Path | None) -> Start:
    from cifar_experiments.runs.resuming import reopen

    return reopen(name, runs_dir, command=_command(), **changes)


def _command() -> list[str]:
    return ["cifar-tui", *sys.argv[1:]]
