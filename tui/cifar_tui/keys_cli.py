"""``cifar-tui keys``: every key of the app, as a part of the settings file that would change it."""

from __future__ import annotations

import click

from cifar_core.errors import printable


@click.command()
def keys() -> None:
    """Print the keys of the app as TOML, to be copied into your settings file and changed there."""
    import cifar_tui.app
    import cifar_tui.screens.compare
    import cifar_tui.screens.monitor
    import cifar_tui.screens.runs  # noqa: F401, each brings its bindings with it
    from cifar_experiments.presets.toml import toml_value
    from cifar_tui.keys import bindings
    from cifar_tui.settings import settings_path

    click.echo(printable(f"# {settings_path()}"))
    click.echo("[keys]")
    for name, binding in sorted(bindings().items()):
        click.echo(f"{toml_value(name)} = {toml_value(binding.key)}   # {binding.description}")
