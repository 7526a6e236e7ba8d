"""``cifar-tui attach``, ``pause``, ``resume``, ``stop``, ``checkpoint`` and ``set``: a run from another terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cifar_core.errors import ConfigError, printable
from cifar_experiments.errors import RunFolderError
from cifar_tui.run_cli import runs_dir_option
from cifar_tui.terminal import is_interactive

if TYPE_CHECKING:
    from cifar_core.events import AnyEvent
    from cifar_experiments.live.protocol import AnyLiveRequest
    from cifar_experiments.runs import Run


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--no-tui", is_flag=True, help="Without screens; also where there is no terminal, or CI is set.")
@click.option("--json", is_flag=True, help="Copy the events, one a line of JSON.")
@runs_dir_option
def attach(*, run: str, no_tui: bool, json: bool, runs_dir: Path | None) -> int:
    """Follow RUN: first what happened so far, then what happens; in a terminal, in the app, which controls it too.

    RUN is an id, the beginning of one, a run's folder, or last. Without screens it is followed until it ends;
    Ctrl+C leaves it running. Exits then with 0 if the run completed or was stopped, 4 if it failed, diverged or
    crashed.
    """
    from cifar_experiments.runs import find
    from cifar_tui import attaching

    there = find(run, runs_dir)
    if not (no_tui or json) and is_interactive():
        from cifar_experiments.presets.draft import Draft
        from cifar_tui import interactive

        interactive.run(Draft(), runs_dir, watch=there)
    return attaching.attach(there, json=json)


@click.command()
@click.argument("run", metavar="RUN")
@runs_dir_option
def pause(*, run: str, runs_dir: Path | None) -> None:
    """Have RUN wait before its next step."""
    from cifar_core.events import Paused
    from cifar_experiments.live.protocol import Pause
    from cifar_experiments.runs import current, find

    there = find(run, runs_dir)
    if current(there).state == "paused":
        click.echo("is paused already")
        return
    _ask(there, Pause(), lambda event: f"paused after step {event.step:,}" if isinstance(event, Paused) else None)


@click.command()
@click.argument("run", metavar="RUN")
@runs_dir_option
def resume(*, run: str, runs_dir: Path | None) -> None:
    """Have RUN go on after a pause."""
    from cifar_core.events import Resumed
    from cifar_experiments.live.protocol import Resume
    from cifar_experiments.runs import current, find

    there = find(run, runs_dir)
    if current(there).state == "running":
        click.echo("is not paused")
        return
    _ask(there, Resume(), lambda event: f"resumed after step {event.step:,}" if isinstance(event, Resumed) else None)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--after-epoch", is_flag=True, help="Go on to the end of the epoch first; do not wait for it here.")
@runs_dir_option
def stop(*, run: str, after_epoch: bool, runs_dir: Path | None) -> None:
    """Have RUN save and end before its next step."""
    from cifar_core.events import RunFinished, Warned
    from cifar_experiments.live.client import ask
    from cifar_experiments.live.protocol import Stop
    from cifar_experiments.runs import find

    there = find(run, runs_dir)
    if after_epoch:
        ask(there, Stop(after_epoch=True))
        click.echo("taken in; it stops after this epoch")
        return
    unsaved = ""

    def ended(event: AnyEvent) -> str | None:
        nonlocal unsaved
        if isinstance(event, Warned) and event.code == "checkpoint-not-saved":
            unsaved = event.message
        if not isinstance(event, RunFinished):
            return None
        if unsaved:
            raise RunFolderError(f"{event.reason} after step {event.step:,}, but {unsaved}")
        return f"{event.reason} after step {event.step:,}"

    # One that goes on from a checkpoint changes nothing before it is ready to: its record stays what it was.
    _ask(there, Stop(), ended, without="stopped before it had gone on")


@click.command()
@click.argument("run", metavar="RUN")
@runs_dir_option
def checkpoint(*, run: str, runs_dir: Path | None) -> None:
    """Have RUN save a checkpoint before its next step."""
    from cifar_core.events import CheckpointSaved, Warned
    from cifar_experiments.live.protocol import Checkpoint
    from cifar_experiments.runs import find

    def saved(event: AnyEvent) -> str | None:
        match event:
            case CheckpointSaved():
                return f"saved after step {event.step:,}: {event.path}"
            case Warned(code="checkpoint-not-saved"):
                raise RunFolderError(event.message)
        return None

    _ask(find(run, runs_dir), Checkpoint(), saved)


@click.command(name="set")
@click.argument("run", metavar="RUN")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE...")
@runs_dir_option
def set_values(*, run: str, values: tuple[str, ...], runs_dir: Path | None) -> None:
    """Change values of RUN while it trains: optimizer.lr, training.checkpoint_minutes."""
    from cifar_core.events import LearningRateChanged
    from cifar_core.validation import parse_override
    from cifar_experiments.live.protocol import Set
    from cifar_experiments.runs import find

    def changed(event: AnyEvent) -> str | None:
        if isinstance(event, LearningRateChanged):
            return f"learning rate {event.learning_rate:g} after step {event.step:,}"
        return None

    there = find(run, runs_dir)
    for word in values:
        key, value = parse_override(word)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"command line: {printable(key)} must be a number, not {printable(value)}")
        _ask(there, Set(key=key, value=value), changed if key == "optimizer.lr" else None)


def _ask(run: Run, request: AnyLiveRequest, answer: Callable[[AnyEvent], str | None] | None, without: str = "") -> None:
    """Make a request and say what the run did.

    ``answer`` says whether an event tells that, and in what words; ``without`` says it should the run end without
    such an event, where that is what was asked for.
    """
    from cifar_core.events import from_json
    from cifar_experiments.live.client import ask
    from cifar_experiments.live.follow import follow
    from cifar_experiments.runs import current
    from cifar_experiments.runs.lock import holder

    begin = run.events.stat().st_size
    ask(run, request)
    if answer is None:
        click.echo("taken in")
        return
    for lines in follow(run.events, begin, alive=lambda: holder(run) is not None):
        for line in lines.splitlines():
            if (words := answer(from_json(line))) is not None:
                click.echo(printable(words))
                return
    if not without or current(run).state == "crashed":
        raise RunFolderError(f"{printable(run.id)} ended before it came to that; cifar-tui runs show says how")
    click.echo(without)


live_commands = (attach, pause, resume, stop, checkpoint, set_values)
