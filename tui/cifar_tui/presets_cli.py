"""``cifar-tui presets``: list, show, save and edit presets, and print the configuration's schema."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import click

from cifar_core.errors import ConfigError, printable
from cifar_experiments.presets.files import KINDS, Kind

if TYPE_CHECKING:
    from cifar_experiments.presets import Source

KIND = click.Choice(KINDS)


@click.group(name="presets")
def presets_group() -> None:
    """What there is to choose from: models, augmentations, optimizers and whole experiments in TOML."""


@presets_group.command(name="list")
@click.argument("kinds", nargs=-1, type=KIND, metavar="[KIND]...")
def list_presets(kinds: tuple[Kind, ...]) -> None:
    """List the presets of the KINDs models, augments, optimizers and experiments; by default all."""
    from cifar_experiments.presets.files import listing

    # In a terminal one line each; a pipe gets whole descriptions, to be searched.
    width = shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else None
    for kind in kinds or KINDS:
        click.secho(kind, bold=True)
        listed = listing(kind)
        longest = max((len(preset.name) for preset in listed), default=0)
        for preset in listed:
            words = f"error: {preset.error}" if preset.error else preset.description
            origin = "" if preset.origin == "built-in" else f" ({preset.origin})"
            line = printable(f"  {preset.name:{longest}}  {words}{origin}")
            click.echo(line if preset.error else line[:width])


@presets_group.command()
@click.argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--model", metavar="M")
@click.option("--augment", metavar="A")
@click.option("--optimizer", metavar="O")
@click.option("--kind", type=KIND, default="experiments", show_default=True)
def show(
    *,
    name: str,
    overrides: tuple[str, ...],
    model: str | None,
    augment: str | None,
    optimizer: str | None,
    kind: Kind,
) -> None:
    """Print the effective configuration of the experiment NAME, and where each value comes from.

    Of the other kinds of preset the file is printed as it is.
    """
    from cifar_experiments.presets import compose, explain, load

    if kind != "experiments":
        preset = load(kind, name)
        click.echo(printable(f"# {preset.path}"))
        for line in preset.text.splitlines():
            click.echo(printable(line))
        return
    rows = explain(compose(name, model=model, augment=augment, optimizer=optimizer, overrides=overrides))
    keys, values = max(len(row.key) for row in rows), max(len(row.value) for row in rows)
    for row in rows:
        click.echo(printable(f"{row.key:{keys}}  {row.value or '-':{values}}  {_told(row.source)}"))


def _told(source: Source) -> str:
    """Where a value comes from, with its file; a built-in one by its name below the presets, not the whole path."""
    from cifar_experiments.presets.files import BUILT_IN

    if source.path is None:
        return source.label
    built_in = source.path.is_relative_to(BUILT_IN)
    path = f"built-in {source.path.relative_to(BUILT_IN)}" if built_in else source.path
    return f"{source.label} ({path}{'' if source.line is None else f':{source.line}'})"


@presets_group.command()
@click.argument("name")
@click.argument("experiment")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--model", metavar="M")
@click.option("--augment", metavar="A")
@click.option("--optimizer", metavar="O")
@click.option("--description", default="", help="One line that says what it is.")
@click.option("--overwrite", is_flag=True, help="Replace one of that name, keeping its comments.")
def save(
    *,
    name: str,
    experiment: str,
    overrides: tuple[str, ...],
    model: str | None,
    augment: str | None,
    optimizer: str | None,
    description: str,
    overwrite: bool,
) -> None:
    """Save EXPERIMENT with changes as your own preset NAME."""
    from cifar_experiments import presets

    composed = presets.compose(experiment, model=model, augment=augment, optimizer=optimizer, overrides=overrides)
    path = presets.save("experiments", name, composed, description, overwrite=overwrite)
    click.echo(printable(f"saved {path}"))


@presets_group.command()
@click.argument("name")
@click.option("--kind", type=KIND, default="experiments", show_default=True)
def edit(name: str, kind: Kind) -> None:
    """Open the preset NAME in $EDITOR; a built-in one is first copied to your folder."""
    from cifar_experiments import presets
    from cifar_experiments.presets.files import find, own_copy

    original = find(kind, name)
    path = own_copy(kind, name)
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
        if path != original:
            path.unlink()  # an unchanged copy would only hide what the built-in one becomes
        raise ConfigError(f"{path}: {error.format_message()}; set $EDITOR to an editor that is installed") from None
    if kind == "experiments":
        presets.compose(str(path))
    else:
        presets.load(kind, str(path))
    click.echo(printable(f"{path} is valid"))


@presets_group.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for completion in editors."""
    from cifar_core.validation import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
