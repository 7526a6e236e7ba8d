"""``cifar-tui lr-find``: a short training whose learning rate rises, and what its losses say of the rate."""

from __future__ import annotations

import json as json_
import math
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cifar_core.errors import ConfigError, TrainingError, printable
from cifar_tui.run_cli import drafted

if TYPE_CHECKING:
    from cifar_core.config import Config
    from cifar_core.events import StepCompleted
    from cifar_tui.widgets.plot import Plot

_ROWS = 17
"""Of the chart: with the lines around it, it fits 80x24."""
_WIDEST = 120


@click.command(name="lr-find")
@click.argument("experiment")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--model", metavar="M", help="Model preset instead of the experiment's.")
@click.option("--augment", metavar="A", help="Augmentation preset instead of the experiment's.")
@click.option("--optimizer", metavar="O", help="Optimizer preset instead of the experiment's.")
@click.option("--from", "low", type=float, metavar="LR", help="Lowest rate (default: a thousandth of optimizer.lr).")
@click.option("--to", "high", type=float, metavar="LR", help="Highest rate (default: a thousand times optimizer.lr).")
@click.option("--steps", type=click.IntRange(10, 1_000_000), metavar="N", help="Default: 50,000 images, 200 to 3,000.")
@click.option("--json", is_flag=True, help="Write a line for each step and one for the outcome, nothing else.")
def lr_find(
    *,
    experiment: str,
    overrides: tuple[str, ...],
    model: str | None,
    augment: str | None,
    optimizer: str | None,
    low: float | None,
    high: float | None,
    steps: int | None,
    json: bool,
) -> None:
    """Find a learning rate for EXPERIMENT: a preset's name or a TOML file. KEY=VALUE changes one value of it.

    This is a range test (Smith, arXiv 1506.01186): it trains for a moment, the rate rising from step to step, and
    shows the loss over the rate. The schedule is left out, no test image is used, and nothing is kept.
    """
    draft = drafted(experiment, {"model": model, "augment": augment, "optimizer": optimizer, "overrides": overrides})
    config = draft.composed().config
    from cifar_core import lr_curve, lr_finder

    lowest, highest = lr_finder.range_for(config)
    ends = (lowest if low is None else low, highest if high is None else high)
    if not 0 < ends[0] < ends[1] < math.inf:
        raise ConfigError(f"lr-find: rates must be above 0 and rise, not go from {ends[0]:g} to {ends[1]:g}")
    made = _made(config, ends, steps or lr_finder.steps_for(config), json=json)
    tried = [(step.learning_rate, step.loss) for step in made if step.loss is not None]
    curve = lr_curve.smooth(tried) if len(tried) > 1 else []
    suggestion = lr_curve.suggested(curve)
    if suggestion is None:
        raise TrainingError(
            f"lr-find: the loss falls nowhere from {ends[0]:g} to {made[-1].learning_rate:g}; "
            f"--steps {4 * len(made)} would see more, --from and --to other rates"
        )
    steepest, tenth = f"{suggestion.steepest.rate:.2g}", f"{suggestion.lowest.rate / 10:.2g}"
    command = [word for word in draft.edited("optimizer.lr", steepest).arguments() if word != "--no-tui"]
    if json:
        outcome = {"steepest": float(steepest), "tenth_of_lowest": float(tenth), "command": command}
        click.echo(json_.dumps({"type": "LearningRateSuggested", **outcome}))
        return
    from cifar_tui import lr_find_plot

    _print(lambda columns: lr_find_plot.plot(tried, curve, suggestion, columns))
    click.echo(f"steepest fall at {steepest}; lowest at {suggestion.lowest.rate:.2g}, a tenth of which is {tenth}")
    click.echo(printable(shlex.join(command)))


def _made(config: Config, ends: tuple[float, float], steps: int, *, json: bool) -> list[StepCompleted]:
    """Make the steps of the test and return them; show how far it is, or with ``json`` each of them."""
    from contextlib import closing

    from tqdm import tqdm

    from cifar_core import lr_finder
    from cifar_core.events import Preparing, StepCompleted, to_json
    from cifar_tui.narration import Narrator

    narrator, made = Narrator(), []
    # None: none where standard error is no terminal.
    bar = tqdm(total=steps, desc="lr-find", unit="step", file=sys.stderr, disable=True if json else None, leave=False)
    with bar, closing(lr_finder.range_test(config, low=ends[0], high=ends[1], steps=steps)) as events:
        for event in events:
            if isinstance(event, Preparing) and (line := narrator.line(event)):
                bar.write(line, file=sys.stderr)
            elif isinstance(event, StepCompleted):
                made.append(event)
                bar.update()
                if json:
                    click.echo(to_json(event))
    return made


def _print(plot: Callable[[int], Plot]) -> None:
    """Print a chart as wide as the terminal."""
    from rich.console import Console
    from rich.text import Text

    from cifar_tui.widgets.plot import draw
    from cifar_tui.widgets.shapes import LOOKS

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 80)
    width = min(console.width, _WIDEST)
    colours: dict[str, str] = {style: look.ansi.removeprefix("ansi_") for style, look in LOOKS.items()}
    styles = {**colours, "raw": "dim", "axis": "dim", "title": "bold", "mark": "bold"}
    plain = not sys.stdout.encoding.lower().startswith("utf")
    for row in draw(plot(width), width, _ROWS, ascii=plain):
        pieces = ((text, styles.get(key, "")) for text, key in row)
        console.print(Text.assemble(*pieces), soft_wrap=True)
