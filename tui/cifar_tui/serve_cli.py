"""``cifar-tui serve``: the app in a browser."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cifar_core.errors import ConfigError, printable
from cifar_tui.run_cli import drafted, runs_dir_option


@click.command()
@click.argument("experiment", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any that is free."
)
@runs_dir_option
@click.option("--in-tab", is_flag=True, hidden=True)
def serve(
    *, experiment: str | None, overrides: tuple[str, ...], port: int, runs_dir: Path | None, in_tab: bool
) -> None:
    """Show the app in a browser, with EXPERIMENT chosen if there is one. Ctrl+C ends it; trainings go on.

    Only this machine is listened to, and only who has the printed address, with its key, gets in. To see it from
    another machine, forward the port: ssh -L 8000:127.0.0.1:8000 HOST, and open the address there.
    """
    if experiment is not None and "=" in experiment and not Path(experiment).exists():
        overrides, experiment = (experiment, *overrides), None
    draft = drafted(experiment, {"overrides": overrides})
    if in_tab:
        from cifar_tui import interactive
        from cifar_tui.browser_driver import BrowserDriver

        interactive.run(draft, runs_dir, driver_class=BrowserDriver)
    try:
        from cifar_tui import serving
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("textual_serve", "aiohttp", "aiohttp_jinja2", "jinja2"):
            raise
        raise ConfigError("serve: textual-serve is not installed; pip install 'cifar-tui[serve]' does it") from None
    words = [*([] if experiment is None else [experiment]), *overrides]
    where = [] if runs_dir is None else ["--runs-dir", str(runs_dir)]
    with serving.listening(port) as listener:
        server = serving.LoopbackServer(
            # -P: whatever lies in the current folder is not to be taken for a module.
            [sys.executable, "-P", "-m", "cifar_tui", "serve", "--in-tab", *where, "--", *words],
            listener.getsockname()[1],
        )
        click.echo(f"Ctrl+C ends it; open {server.address}")
        server.serve_on(listener)
    _tell_of_trainings({tab.process.pid for tab in server.tabs}, runs_dir)


def _tell_of_trainings(apps: set[int], runs_dir: Path | None) -> None:
    """Say which runs these processes still train."""
    from cifar_experiments.runs import called, in_folder
    from cifar_experiments.runs.lock import holder

    for run in in_folder(runs_dir):
        working = holder(run)
        if working is not None and working.pid in apps:
            name = printable(called(run))
            click.echo(f"{name} goes on: cifar-tui attach {name} follows it, cifar-tui stop {name} ends it")
