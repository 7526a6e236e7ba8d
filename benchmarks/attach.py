"""How soon `cifar-tui attach` has shown the history of a long run: 100,000 events, in wall seconds.

python benchmarks/attach.py [--events 100000] [--runs 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import described

from cifar_core.config import Config
from cifar_core.events import RunFinished, RunStarted, StepCompleted, to_json
from cifar_experiments import runs

COMMANDS = {
    "attach": ["attach", "last"],
    "attach --json": ["attach", "last", "--json"],
    "for comparison: --help": ["--help"],
}


def main() -> None:
    """Make a run that has ended, time how long it takes to be followed to its end, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = fill(Path(folder), options.events)
        print(f"{described('cpu')}; {options.events:,} events, {size / 1e6:.0f} MB, median of {options.runs}")
        for name, arguments in COMMANDS.items():
            seconds = [timed(arguments, folder) for _ in range(options.runs)]
            print(f"{name:24}{statistics.median(seconds):7.2f} s")


def fill(folder: Path, events: int) -> int:
    """Make a run with that many events; return the size of its event file in bytes."""
    run = runs.create(Config(), folder, command=["cifar-tui"])
    began = time.time()
    with run.events.open("wb") as file:
        started = RunStarted(
            time=began,
            run_id=run.id,
            experiment="made",
            model="lenet-notes",
            parameters=62_006,
            multiply_adds=651_720,
            device="cpu",
            threads=1,
            train_images=50_000,
            val_images=0,
            test_images=10_000,
            classes=tuple(map(str, range(10))),
            epochs=8,
            batch_size=4,
            steps_per_epoch=12_500,
            total_steps=events,
        )
        file.write(to_json(started) + b"\n")
        for step in range(1, events - 1):
            event = StepCompleted(
                time=began + step / 1000,
                epoch=1 + step // 12_500,
                step=step,
                loss=2.302585 - step / events,
                accuracy=0.25,
                learning_rate=0.001,
            )
            file.write(to_json(event) + b"\n")
        finished = RunFinished(
            time=began,
            reason="completed",
            epoch=8,
            step=events - 2,
            training_seconds=1.0,
            evaluation_seconds=0.0,
            data_seconds=0.0,
            paused_seconds=0.0,
        )
        file.write(to_json(finished) + b"\n")
    return run.events.stat().st_size


def timed(arguments: list[str], folder: str) -> float:
    """Seconds until the command has ended."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "cifar_tui", *arguments],
        env={**os.environ, "CIFAR_TUI_RUNS": folder},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
