"""``cifar-tui run``: train an experiment, or go on with a run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that runs are kept in (default: $CIFAR_TUI_RUNS, else the user's state folder).",
)


@click.command()
@click.argument("experiment", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--no-tui", is_flag=True, help="Without screens; the only way so far, so the same as without it.")
@click.option("--resume", metavar="RUN", help="Go on with a run: its id, the beginning of it, its folder, or last.")
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
    no_tui: bool,  # noqa: ARG001, accepted so that scripts written today mean the same once there are screens
    resume: str | None,
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

    With --resume, go on with a run from its last checkpoint, in the midst of an epoch if need be. Any change to
    its configuration makes a new run of it, which goes on from there and names the other as its parent.

    Exits with 0 when the training is complete or was stopped on request, 2 for a wrong command line,
    preset or configuration, 3 for missing or damaged data, 4 when training failed, 75 when SIGTERM or
    SIGUSR1 stopped it with a checkpoint, 130 when interrupted a second time.
    """
    from cifar_core.control import Control
    from cifar_experiments import presets, runs
    from cifar_experiments.runs.resuming import Start, reopen
    from cifar_tui import detaching, headless
    from cifar_tui.signals import obeyed

    if detach and json:
        raise click.UsageError("--detach shows no events; cifar-tui attach RUN --json does")
    if experiment is not None and "=" in experiment and not Path(experiment).exists():
        overrides, experiment = (experiment, *overrides), None
    options = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "device": device}
    words = [*overrides, *(f"training.{key}={value}" for key, value in options.items() if value is not None)]
    command = ["cifar-tui", *sys.argv[1:]]
    control = Control()
    # Obeyed before there is a run's folder: from its first moment on, a signal leaves it in order.
    with obeyed(control) as signals:
        if resume is not None:
            if experiment is not None:
                raise click.UsageError("--resume goes on with a run's own experiment; leave the other one out")
            start = reopen(
                resume, runs_dir, command=command, model=model, augment=augment, optimizer=optimizer, overrides=words
            )
        elif experiment is model is augment is optimizer is None:
            raise click.UsageError("name an experiment, or at least one of --model, --augment and --optimizer")
        else:
            config = presets.compose(
                experiment, model=model, augment=augment, optimizer=optimizer, overrides=words
            ).config
            start = Start(runs.create(config, runs_dir, command=command), config)
        if detach:
            return detaching.start(start.run, control)
        return headless.run(start, control, signals, json=json)
