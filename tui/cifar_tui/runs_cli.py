"""``cifar-tui runs``: list, show and remove runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cifar_core.errors import CifarError, printable
from cifar_tui.run_cli import runs_dir_option

if TYPE_CHECKING:
    from cifar_experiments.runs import Run, Summary

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
        click.echo(f"{printable(run.id):{longest}}  {state}  {_progress(summary):>15}  {_accuracy(summary)}")


@runs_group.command()
@click.argument("run", metavar="RUN")
@runs_dir_option
def show(*, run: str, runs_dir: Path | None) -> None:
    """Show what is known of RUN: an id, the beginning of one, a run's folder, or last."""
    from cifar_experiments.runs import find

    for name, value in _known(find(run, runs_dir)):
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


def _progress(summary: Summary) -> str:
    return f"{summary.steps:,}/{'?' if summary.total_steps is None else f'{summary.total_steps:,}'}"


def _accuracy(summary: Summary) -> str:
    parts = []
    if summary.final_top1 is not None:
        parts.append(f"test {100 * summary.final_top1:.2f} %")
    if summary.best_top1 is not None:
        parts.append(f"best val {100 * summary.best_top1:.2f} %")
    return ", ".join(parts)


def _known(run: Run) -> list[tuple[str, str]]:
    """Names and values, in the order they are shown in."""
    from cifar_experiments.runs import called, current

    summary = current(run)
    alive = summary.state in ("running", "paused")
    spent = summary.training_seconds + summary.data_seconds
    seconds = {"training": spent, "evaluation": summary.evaluation_seconds, "paused": summary.paused_seconds}
    way_on = {
        "running": f"cifar-tui attach {called(run)}",
        "paused": f"cifar-tui resume {called(run)}",
        "completed": "",
    }
    return [
        ("run", run.id),
        ("state", summary.state),
        ("error", summary.error or ""),
        ("process", f"{summary.pid} on {summary.host}" if alive else ""),
        ("experiment", f"{summary.experiment} ({summary.model})"),
        ("parent", summary.parent or ""),
        ("started", _when(summary.started)),
        ("finished", "" if alive or summary.finished is None else _when(summary.finished)),
        ("steps", _progress(summary)),
        ("epochs", f"{summary.epochs}/{summary.total_epochs}"),
        ("accuracy", _accuracy(summary)),
        ("time", ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items() if value)),
        ("folder", str(run.path)),
        ("next", way_on.get(summary.state, f"cifar-tui --no-tui --resume {called(run)}")),
    ]


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
