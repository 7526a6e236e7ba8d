"""The command line: parses, imports what the command needs and no more, and turns errors into exit codes."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from cifar_core.errors import CifarError, printable
from cifar_tui.presets_cli import presets_group
from cifar_tui.terminal import say

USAGE = 2
UNEXPECTED = 4
INTERRUPTED = 130


class RunByDefault(click.Group):
    """``cifar-tui EXPERIMENT`` is ``cifar-tui run EXPERIMENT``; only the names of commands are commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that begin with no command."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "--version"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=RunByDefault, invoke_without_command=True)
@click.version_option(package_name="cifar-tui", message="%(package)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train CIFAR experiments from a terminal.

    \b
    cifar-tui EXPERIMENT [KEY=VALUE ...]           train an experiment
    cifar-tui --model M --augment A --optimizer O  train these three presets together
    cifar-tui presets list                         what there is to choose from
    cifar-tui run --help                           all options of training

    Try `cifar-tui quickstart`: it takes seconds, and nothing has to be downloaded.
    """  # noqa: D301, click takes the \b for "leave these lines as they are"
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli.add_command(presets_group)


@cli.command()
@click.argument("experiment", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--no-tui", is_flag=True, help="Without screens; the only way so far, so the same as without it.")
@click.option("--model", metavar="M", help="Model preset instead of the experiment's.")
@click.option("--augment", metavar="A", help="Augmentation preset instead of the experiment's.")
@click.option("--optimizer", metavar="O", help="Optimizer preset instead of the experiment's.")
@click.option("--epochs", type=int, metavar="N", help="Same as training.epochs=N.")
@click.option("--batch-size", type=int, metavar="N", help="Same as training.batch_size=N.")
@click.option("--seed", type=int, metavar="N", help="Same as training.seed=N.")
@click.option("--device", metavar="D", help="Same as training.device=D: auto, cpu, cuda, cuda:N or mps.")
@click.option("--json", is_flag=True, help="Write one event a line to standard output, nothing else.")
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that the run's folder is made in (default: $CIFAR_TUI_RUNS, else the user's state folder).",
)
def run(
    *,
    experiment: str | None,
    overrides: tuple[str, ...],
    no_tui: bool,  # noqa: ARG001, accepted so that scripts written today mean the same once there are screens
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

    Exits with 0 when the training is complete or was stopped on request, 2 for a wrong command line,
    preset or configuration, 3 for missing or damaged data, 4 when training failed, 130 when
    interrupted a second time.
    """
    from cifar_core.engine import train
    from cifar_experiments import presets, runs
    from cifar_tui import headless
    from cifar_tui.terminal import captured

    if experiment is not None and "=" in experiment and not Path(experiment).exists():
        overrides, experiment = (experiment, *overrides), None
    if experiment is model is augment is optimizer is None:
        raise click.UsageError("name an experiment, or at least one of --model, --augment and --optimizer")
    options = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "device": device}
    composed = presets.compose(
        experiment,
        model=model,
        augment=augment,
        optimizer=optimizer,
        overrides=[*overrides, *(f"training.{key}={value}" for key, value in options.items() if value is not None)],
    )
    kept = runs.create(composed.config, command=["cifar-tui", *sys.argv[1:]], runs_dir=runs_dir)
    with captured(kept.log) as (out, err):
        code = headless.run(
            lambda control: runs.record(kept, train(composed.config, control, kept.checkpoints, run_id=kept.id)),
            out,
            err,
            json=json,
        )
        (err if json else out).say(printable(f"run folder: {kept.path}"))
    return code


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit the process with the code of the contracts; never shows a traceback."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the command
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115, open as long as the process lives
    try:
        code = cli.main(arguments, prog_name="cifar-tui", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        say(f"{error.format_message()} (cifar-tui --help shows how)")
        code = USAGE
    except CifarError as error:
        say(str(error))
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # click's own answer to a broken pipe is to exit
        # The reader has what it wanted; Python's own flush at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except OSError as error:
        say(f"{error.filename or 'standard output'}: {error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = UNEXPECTED
    except Exception as error:  # noqa: BLE001, a fault of ours: said in one sentence like any other
        say(f"{type(error).__name__}: {error}. This is a fault of cifar-tui; {kept_for_a_report(error)}")
        code = UNEXPECTED
    sys.exit(code)


def kept_for_a_report(error: Exception) -> str:
    """Write the traceback to the user's log folder; the words that say where it is."""
    import platformdirs

    try:
        path = platformdirs.user_log_path("cifar-tui", appauthor=False, ensure_exists=True) / "fault.txt"
        lines = [f"$ {shlex.join(sys.argv)}\n", *traceback.format_exception(error)]
        path.write_text("".join(lines), encoding="utf-8")
    except OSError:
        return "its traceback could not be written to the log folder"
    return f"its traceback is in {path}"
