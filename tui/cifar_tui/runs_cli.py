"""``cifar-tui runs``: list, show and remove runs."""

from __future__ import annotations

from pathlib import Path

import click

from cifar_core.errors import CifarError, printable
from cifar_tui.run_cli import runs_dir_option

COLOURS = {"running": "green", "paused": "yellow", "crashed": "red", "failed": "red", "diverged": "red"}


@click.group(name="runs")
def runs_group() -> None:
    """What was trained, and what is being trained."""


@runs_group.command(name="list")
@click.option("--json", is_flag=True, help="One run a line of JSON.")
@runs_dir_option
def list_runs(*, json: bool, runs_dir: Path | None) -> None:
    """List the runs, the newest last, each with its state: running, completed, stopped, crashed and so on."""
    import msgspec

    from cifar_experiments.runs import current, in_folder, runs_folder
    from cifar_tui.run_words import accuracy, progress

    there = in_folder(runs_dir)
    if not there and not json:
        click.echo(f"no runs in {printable(runs_folder(runs_dir))}", err=True)
    longest = max((len(run.id) for run in there), default=0)
    for run in there:
        try:
            summary = current(run)
        except CifarError as error:
            click.echo(printable(f"{run.id:{longest}}  error: {error}"), err=json)
            continue
        if json:
            click.echo(msgspec.json.encode(summary))
            continue
        state = click.style(f"{summary.state:9}", COLOURS.get(summary.state))
        click.echo(f"{printable(run.id):{longest}}  {state}  {progress(summary):>15}  {accuracy(summary)}")


@runs_group.command()
@click.argument("run", metavar="RUN")
@runs_dir_option
def show(*, run: str, runs_dir: Path | None) -> None:
    """Show what is known of RUN: an id, the beginning of one, a run's folder, or last."""
    from cifar_experiments.runs import current, find
    from cifar_tui.run_words import known

    there = find(run, runs_dir)
    for name, value in known(there, current(there)):
        if value:
            click.echo(printable(f"{name:10}  {value}"))


@runs_group.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@runs_dir_option
def rm(*, names: tuple[str, ...], yes: bool, runs_dir: Path | None) -> None:
    """Remove each RUN with its events and checkpoints. One that is running is refused."""
    from cifar_experiments.runs import find, remove

    for run in [find(name, runs_dir) for name in names]:
        if yes or click.confirm(f"remove {printable(run.path)} with all its checkpoints?"):
            remove(run)
            click.echo(f"removed {printable(run.id)}")
