"""``cifar-tui export``: a run's weights as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cifar_core.errors import ConfigError, printable
from cifar_tui.run_cli import runs_dir_option

if TYPE_CHECKING:
    from typing import Literal

    from cifar_core.models.weights_file import Format


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--weights",
    "which",
    type=click.Choice(["best", "last"]),
    default="last",
    show_default=True,
    help="Of the highest accuracy on validation images, or the last saved.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["state_dict", "safetensors"]),
    help="torch's own, or one that needs no torch; by default the latter where OUTPUT ends in .safetensors.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@runs_dir_option
def export(
    *, run: str, output: Path, which: Literal["best", "last"], form: Format | None, force: bool, runs_dir: Path | None
) -> None:
    """Save the weights of RUN as the file OUTPUT.

    It holds the network's tensors by name, averaged ones where the run averages its weights, and can start another
    training: model.weights=OUTPUT.
    """
    from cifar_experiments.atomic import replace_file
    from cifar_experiments.runs import find

    there = find(run, runs_dir)
    if output.exists() and not force:
        raise ConfigError(f"{printable(output)} is there already; --force replaces it")
    from cifar_core.models import weights_file

    form = form or ("safetensors" if output.suffix == ".safetensors" else "state_dict")
    weights = weights_file.of_checkpoint(there.checkpoints, which)
    try:
        replace_file(output, weights_file.encoded(weights, form))
    except OSError as error:
        raise ConfigError(f"{printable(output)} cannot be written: {error.strerror or error}") from error
    click.echo(f"{len(weights)} tensors of {printable(there.id)} in {printable(output)}")
