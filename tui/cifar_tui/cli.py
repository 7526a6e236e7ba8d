"""The command line: parses, imports what the command needs and no more, and turns errors into exit codes."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from cifar_core.errors import CifarError
from cifar_tui.compare_cli import compare
from cifar_tui.export_cli import export
from cifar_tui.keys_cli import keys
from cifar_tui.live_cli import live_commands
from cifar_tui.lr_find_cli import lr_find
from cifar_tui.presets_cli import presets_group
from cifar_tui.run_cli import run
from cifar_tui.runs_cli import runs_group
from cifar_tui.serve_cli import serve
from cifar_tui.terminal import is_interactive, say

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
    cifar-tui                                      the app: choose, start, watch, compare
    cifar-tui EXPERIMENT [KEY=VALUE ...]           the app with this experiment chosen
    cifar-tui --no-tui EXPERIMENT [KEY=VALUE ...]  train it at once, without screens
    cifar-tui --model M --augment A --optimizer O  train these three presets together
    cifar-tui --resume RUN                         go on with a run from its last checkpoint
    cifar-tui attach RUN                           watch and control a run, wherever it was started
    cifar-tui lr-find EXPERIMENT                   try learning rates for a moment, suggest one
    cifar-tui presets list                         what there is to choose from
    cifar-tui runs list                            what was trained, and what is being trained
    cifar-tui export RUN FILE                      its weights, for other programs
    cifar-tui serve                                the app in a browser on this machine
    cifar-tui run --help                           all options of training

    Try `cifar-tui quickstart` and press Enter: it takes seconds, and nothing has to be downloaded.
    """  # noqa: D301, click takes the \b for "leave these lines as they are"
    if context.invoked_subcommand is not None:
        return
    if is_interactive():
        context.invoke(run)
    click.echo(context.get_help())


cli.add_command(compare)
cli.add_command(export)
cli.add_command(keys)
cli.add_command(lr_find)
cli.add_command(presets_group)
cli.add_command(run)
cli.add_command(runs_group)
cli.add_command(serve)
for command in live_commands:
    cli.add_command(command)


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
