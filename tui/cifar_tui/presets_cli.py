"""``cifar-tui presets``: list, show, save and edit presets, and print the configuration's schema."""

from __future__ import annotations

import json
import shutil

import click

from cifar_core.errors import ConfigError, printable
from cifar_experiments.presets.files import KINDS, Kind

KIND = click.Choice(KINDS)


@click.group(name="presets")
def presets_group() -> None:
    """What there is to choose from: models, augmentations, optimizers and whole experiments in TOML."""


@presets_group.command(name="list")
@click.argument("kinds", nargs=-1, type=KIND, metavar="[KIND]...")
def list_presets(kinds: tuple[Kind, ...]) -> None:
    """List the presets of the KINDs models, augments, optimizers and experiments; by default all."""
    from cifar_experiments.presets.files import listing

    width = max(0, shutil.get_terminal_size().columns - 1)
    for kind in kinds or KINDS:
        click.echo(click.style(kind, bold=True))
        listed = listing(kind)
        longest = max((len(preset.name) for preset in listed), default=0)
        for preset in listed:
            words = f"error: {preset.error}" if preset.error else preset.description
            origin = "" if preset.origin == "built-in" else f" ({preset.origin})"
            line = printable(f"  {preset.name:{longest}}  {words}{origin}")
            click.echo(line[:width] if preset.error is None else line)


@presets_group.command()
@click.argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--model", metavar="M")
@click.option("--augment", metavar="A")
@click.option("--optimizer", metavar="O")
def show(
    *, name: str, overrides: tuple[str, ...], model: str | None, augment: str | None, optimizer: str | None
) -> None:
    """Print the effective configuration of the experiment NAME, and where each value comes from."""
    from cifar_experiments.presets import compose, explain

    rows = explain(compose(name, model=model, augment=augment, optimizer=optimizer, overrides=overrides))
    keys, values = max(len(row.key) for row in rows), max(len(row.value) for row in rows)
    for row in rows:
        place = row.source.place
        source = row.source.label if place in ("", row.source.label) else f"{row.source.label}, {place}"
        click.echo(printable(f"{row.key:{keys}}  {row.value:{values}}  {source}"))


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
    from cifar_experiments.presets.files import own_copy

    path = own_copy(kind, name)
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
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
