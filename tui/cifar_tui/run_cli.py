"""``cifar-tui run``: train an experiment, or go on with runs, on screens or without."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cifar_tui.terminal import is_interactive, say

if TYPE_CHECKING:
    from cifar_core.config import Config
    from cifar_experiments.presets.draft import Draft
    from cifar_experiments.runs import Run
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
@click.option(
    "--folds",
    type=click.IntRange(2, 100),
    metavar="K",
    help="Train K runs, one after another, each on all but one of K parts of the training images.",
)
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
    folds: int | None,
    device: str | None,
    json: bool,
    runs_dir: Path | None,
) -> int:
    """Train EXPERIMENT: a preset's name or a TOML file. KEY=VALUE changes one value of its configuration.

    In a terminal, this opens the app with the experiment chosen; with --no-tui it trains at once.

    With --resume, go on with a run from its last checkpoint, in the midst of an epoch if need be; given several
    times, with one after another. Any change to its configuration makes a new run of it, which goes on from there
    and names the other as its parent.

    With --folds K, begin K runs, each of which holds out another one of K parts of the training images (data.folds=K,
    data.fold=1 to K); in the end come mean and standard deviation of their accuracies on what they held out.

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
    if resume and folds is not None:
        raise click.UsageError("--resume goes on with runs there are; leave --folds out")
    if folds is not None and any(word.partition("=")[0].strip() in ("data.folds", "data.fold") for word in words):
        raise click.UsageError("--folds trains on every fold there is; leave data.folds and data.fold out")
    changes = {"model": model, "augment": augment, "optimizer": optimizer, "overrides": words}
    on_screens = not (no_tui or detach or json) and is_interactive()
    chooses = on_screens and folds is None
    if not (resume or chooses) and experiment is model is augment is optimizer is None:
        raise click.UsageError("name an experiment, or at least one of --model, --augment and --optimizer")
    if on_screens:
        _show(experiment, resume, folds, changes, runs_dir)
    return _train(
        _plan(experiment, resume, folds, changes, runs_dir), detach=detach, json=json, folds=folds is not None
    )


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


def _show(
    experiment: str | None, resume: tuple[str, ...], folds: int | None, changes: dict[str, Any], runs_dir: Path | None
) -> NoReturn:
    """Open the app: with this choice, or with these runs going on or beginning.

    Raises:
        ConfigError: There is no such experiment or run, or a change is none.
    """
    from cifar_experiments.presets.draft import Draft
    from cifar_tui import interactive

    draft = drafted(experiment, changes)
    plan = _plan(experiment, resume, folds, changes, runs_dir) if resume or folds else []
    interactive.run(Draft() if resume else draft, runs_dir, starts=[begin() for begin in plan])


def _plan(
    experiment: str | None, resume: tuple[str, ...], folds: int | None, changes: dict[str, Any], runs_dir: Path | None
) -> list[Callable[[], Start]]:
    """Return for each run what makes it, or finds how it goes on, when its turn has come.

    Raises:
        ConfigError: There is no such experiment or run, a change is none, or folds need what is not installed.
    """
    from cifar_core.data.folds import require_scikit_learn
    from cifar_experiments import presets, runs

    if resume:
        # Looked up now: a wrong name is told before anything is trained, and none changes its meaning meanwhile.
        names = [str(runs.find(name, runs_dir).path) for name in resume]
        return [partial(_reopened, name, changes, runs_dir) for name in names]
    words: list[tuple[str, ...]] = [()]
    if folds is not None:
        require_scikit_learn()
        words = [(f"data.folds={folds}", f"data.fold={number}") for number in range(1, folds + 1)]
    every = [{**changes, "overrides": [*changes["overrides"], *of_fold]} for of_fold in words]
    configs = [presets.compose(experiment, **each).config for each in every]
    return [partial(_begun, config, runs_dir) for config in configs]


def _reopened(name: str, changes: dict[str, Any], runs_dir: Path | None) -> Start:
    from cifar_experiments.runs.resuming import reopen

    return reopen(name, runs_dir, command=_command(), **changes)


def _begun(config: Config, runs_dir: Path | None) -> Start:
    from cifar_experiments.runs import create
    from cifar_experiments.runs.resuming import Start

    return Start(create(config, runs_dir, command=_command()), config)


def _command() -> list[str]:
    return ["cifar-tui", *sys.argv[1:]]


def _train(plan: list[Callable[[], Start]], *, detach: bool, json: bool, folds: bool) -> int:
    """Train without screens, one run after another; return the highest of their exit codes."""
    from cifar_core.control import Control
    from cifar_core.errors import CifarError
    from cifar_tui import detaching, headless
    from cifar_tui.signals import obeyed

    if detach:
        control = Control()
        with obeyed(control):
            return detaching.start([begin().run for begin in plan], control)
    runs: list[Run] = []
    codes = []
    for begin in plan:
        control = Control()
        # Obeyed before there is a run's folder: from its first moment on, a signal leaves it in order.
        with obeyed(control) as signals:
            try:
                start = begin()
                runs.append(start.run)
                codes.append(headless.run(start, control, signals, json=json))
            except CifarError as error:  # no reason not to train those that come after it
                say(str(error))
                codes.append(error.exit_code)
            if signals.ending:
                break
    if folds:
        _sum_up(runs, err=json)
    return max(codes)


def _sum_up(runs: list[Run], *, err: bool) -> None:
    """Print mean and standard deviation over the folds that are complete."""
    from cifar_experiments import comparing
    from cifar_tui import comparison

    complete = [each for each in map(comparing.read, runs) if each.summary.state == "completed"]
    plain = not sys.stdout.encoding.lower().startswith("utf")
    for line in comparison.spread_lines(complete, comparing.groups(complete), plain=plain):
        click.echo(line, err=err)
