"""The source notes' eight experiments: what was recorded then, and what the same presets give now.

    python benchmarks/notes.py --runs-dir notes [--seeds 3] [--only notes-lenet-2ep] [key=value ...]

Trains each preset with each seed through the command, one run after the other, and skips what the folder already
holds complete; so it can be ended and started again at any time, and started with no seeds to print what there is.
Further words go to every training: ``data.root=... data.verify=false``, say. The loss is the mean over the last
2,000 steps, as the notes print it; the accuracy is that on the test images after the last epoch. All eight with
one seed take about two hours on one core.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import machine

from cifar_core.config import Config
from cifar_core.events import RunFinished, StepCompleted
from cifar_experiments import runs
from cifar_experiments.comparing import spread
from cifar_experiments.presets.composing import compose

LOSS_STEPS = 2_000
RECORDED = {
    "notes-lenet-2ep": (1.277, 57),
    "notes-momentum099": (2.08, None),
    "notes-lenet-10ep": (0.833, 61),
    "notes-lenet-20ep": (0.534, 61),
    "notes-conv3-bn": (0.3, 76),
    "notes-conv3-bn-dropout": (1.491, 71),
    "notes-conv3-bn-dropout-first": (0.746, 72),
    "notes-conv3-bn-50ep": (0.088, 72),
}
"""Loss and test accuracy in %, on a GTX 1050 Ti."""


@dataclass(frozen=True)
class Result:
    """One complete run."""

    experiment: str
    seed: int
    loss: float
    accuracy: float
    """In %."""
    seconds: float
    """Of training."""


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs-dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted from 0; 0 trains nothing")
    parser.add_argument("--only", action="append", choices=RECORDED, help="may be given several times")
    parser.add_argument("words", nargs="*", metavar="key=value")
    options = parser.parse_args()
    wanted = [name for name in RECORDED if name in (options.only or RECORDED)]
    there = results(options.runs_dir)
    # Every preset once before any a second time.
    for seed, name in itertools.product(range(options.seeds), wanted):
        if not any((each.experiment, each.seed) == (name, seed) for each in there):
            train(name, seed, options.runs_dir, options.words)
    report(results(options.runs_dir), wanted)


def train(experiment: str, seed: int, runs_dir: Path, words: Sequence[str]) -> None:
    """Train a preset with a seed; what it says goes to the terminal."""
    command = [sys.executable, "-m", "cifar_tui", "--no-tui", experiment, "--runs-dir", str(runs_dir)]
    subprocess.run([*command, f"training.seed={seed}", *words], check=True)


def results(runs_dir: Path) -> list[Result]:
    """Return every complete run of the folder that is one of the presets, unchanged but for its seed and images."""
    found = []
    for run in runs.in_folder(runs_dir) if runs_dir.is_dir() else ():
        summary = runs.read_summary(run.summary)
        if summary.state != "completed" or summary.experiment not in RECORDED:
            continue
        config = compose(str(run.toml)).config
        if _deciding(config) != _deciding(compose(summary.experiment).config):
            continue
        losses: deque[float | None] = deque(maxlen=LOSS_STEPS)
        seconds = 0.0
        for event in runs.read_events(run.events):
            if isinstance(event, StepCompleted):
                losses.append(event.loss)
            elif isinstance(event, RunFinished):
                seconds = event.training_seconds
        loss = statistics.fmean(each for each in losses if each is not None)
        accuracy = 100 * (summary.final_top1 or 0.0)
        found.append(Result(summary.experiment, config.training.seed, loss, accuracy, seconds))
    return found


def report(there: Sequence[Result], wanted: Sequence[str]) -> None:
    """Print the table."""
    print(machine.described("cpu"))
    print("| preset | seeds | loss then | loss now | accuracy then | accuracy now | minutes a run |")
    print("|---|---|---|---|---|---|---|")
    for name in wanted:
        mine = [each for each in there if each.experiment == name]
        loss, accuracy = RECORDED[name]
        now = _spread([each.loss for each in mine], 3), _spread([each.accuracy for each in mine], 1)
        minutes = f"{statistics.fmean(each.seconds for each in mine) / 60:.1f}" if mine else "-"
        then = "-" if accuracy is None else f"{accuracy} %"
        print(f"| {name} | {len(mine)} | {loss} | {now[0]} | {then} | {now[1]} | {minutes} |")


def _deciding(config: Config) -> dict[str, object]:
    """Return what decides a result, other than the seed, the machine and where the images lie."""
    tree = config.model_dump(exclude={"name": True, "description": True, "data": {"root", "verify", "mirrors"}})
    tree["training"].pop("seed")
    tree["training"].pop("device")
    return tree


def _spread(values: Sequence[float], digits: int) -> str:
    found = spread(values)
    if found is None:
        return "-"
    mean = f"{found.mean:.{digits}f}"
    return mean if found.deviation is None else f"{mean} +- {found.deviation:.{digits}f}"


if __name__ == "__main__":
    main()
