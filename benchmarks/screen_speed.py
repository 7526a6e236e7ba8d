"""What the open monitor takes from a training, and what it sends to the terminal.

python benchmarks/screen_speed.py [--rounds 6] [--seconds 8]

In one process and one training, spans of time with the monitor on a pseudo-terminal of 120 x 40 alternate with spans
without any screen; the ratio is that of the time of a step. The first second and a half of each span does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import time
from functools import partial
from pathlib import Path

from machine import described
from terminal import Terminal, terminal

from cifar_core.events import StepCompleted
from cifar_experiments import presets, runs
from cifar_experiments.presets.draft import Draft
from cifar_experiments.runs import Run
from cifar_experiments.runs.resuming import Start

CASES = {
    "lenet-notes, batch 4": ["model=lenet-notes", "optimizer.lr=0.001", "training.batch_size=4", "training.threads=1"],
    "resnet18, batch 16": ["model=resnet18", "training.batch_size=16"],
}
COMMON = ["optimizer=sgd", "data.kind=synthetic", "training.epochs=1000"]
UNCOUNTED_SECONDS = 1.5


def main() -> None:
    """Measure each case, and print a line about it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        inside(options.inside, options.rounds, options.seconds)
        return
    print(described("cpu"))
    for case in CASES:
        arguments = ["--inside", case, "--rounds", str(options.rounds), "--seconds", str(options.seconds)]
        with terminal(__file__, *arguments) as (shown, folder):
            arrivals: list[tuple[float, int]] = []
            with contextlib.suppress(OSError):  # as reading ends with the process
                while shown.process.poll() is None:
                    arrivals.append((time.time(), shown.read_for(0.1)))
            shown.process.wait()
            spans = json.loads((folder / "spans.json").read_text())
            [run] = runs.in_folder(folder)
            report(case, run, spans, arrivals)
        paused(case)


def inside(case: str, rounds: int, seconds: float) -> None:
    """Train, with and without the monitor in turn; leave the spans of both in a file. Runs on the pseudo-terminal."""
    from cifar_tui.app import CifarApp
    from cifar_tui.background import Background
    from cifar_tui.driver import Driver
    from cifar_tui.settings import Layout, Settings
    from cifar_tui.terminal import captured
    from cifar_tui.training import Trainings

    class Brief(CifarApp):
        """Leaves by itself."""

        def on_mount(self) -> None:
            super().on_mount()
            self.set_timer(seconds, self.exit)

    config = presets.compose(overrides=[*CASES[case], *COMMON]).config
    folder = runs.runs_folder()
    start = Start(runs.create(config, command=["cifar-tui"]), config)
    spans: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    with captured(folder / "log.txt") as (out, _):
        Driver.outlet = out
        background = Background()  # never started: nothing is to be prepared
        background.start = lambda: None  # type: ignore[method-assign]
        trainings = Trainings(background.held)
        training = trainings.add(start)
        while runs.current(start.run).steps < 10:
            time.sleep(0.1)
        time.sleep(3)
        for number in range(2 * rounds):
            began = time.time()
            # Now one first, now the other, so that no trend of the machine counts for either.
            name = ("with", "without", "without", "with")[number % 4]
            if name == "with":
                layout = Layout(theme="dark")
                Brief(
                    draft=Draft(),
                    trainings=trainings,
                    background=background,
                    settings=Settings(),
                    layout=layout,
                    first=training,
                    driver_class=Driver,
                ).run()
            else:
                time.sleep(seconds)
            spans[name].append((began + UNCOUNTED_SECONDS, time.time() - 0.2))
        trainings.stop()
        trainings.join()
        (folder / "spans.json").write_text(json.dumps(spans))
        os._exit(0)


def report(case: str, run: Run, spans: dict[str, list[tuple[float, float]]], arrivals: list[tuple[float, int]]) -> None:
    """Print the ratio, round by round the same, and the bytes that were sent meanwhile."""
    times = [event.time for event in runs.read_events(run.events) if isinstance(event, StepCompleted)]

    def step(begin: float, end: float) -> float:
        within = [moment for moment in times if begin <= moment <= end]
        return (within[-1] - within[0]) / (len(within) - 1)

    shown, bare = ([step(*span) for span in spans[name]] for name in ("with", "without"))
    ratios = [one / other for one, other in zip(shown, bare, strict=True)]
    rates = [
        sum(count for moment, count in arrivals if begin <= moment <= end) / (end - begin)
        for begin, end in spans["with"]
    ]
    print(
        f"{case:22} a step {statistics.median(bare) * 1000:7.2f} ms without a screen; with the monitor "
        f"{statistics.median(ratios):.3f} of that ({min(ratios):.3f} to {max(ratios):.3f}, {len(ratios)} rounds); "
        f"{statistics.median(rates) / 1024:.1f} KiB/s to the terminal (at most {max(rates) / 1024:.1f})",
        flush=True,
    )


def paused(case: str) -> None:
    """Print what a monitor sends whose training is paused."""
    with terminal("-m", "cifar_tui", "quickstart", *CASES[case], *COMMON) as (shown, folder):
        run = started(shown, folder)
        shown.type(b" ")
        shown.until(partial(is_paused, run))
        shown.read_for(3)
        print(f"{'':22} paused: {shown.read_for(5)} bytes in 5 s", flush=True)


def started(shown: Terminal, folder: Path) -> Run:
    """Start what is chosen, and wait until it makes steps."""
    shown.until(partial(shown.shows, b"epochs"))
    shown.read_for(1)
    shown.type(b"\r")
    shown.until(lambda: runs.in_folder(folder))
    [run] = runs.in_folder(folder)
    shown.until(lambda: runs.current(run).steps > 3)
    return run


def is_paused(run: Run) -> bool:
    """Whether a run waits."""
    return runs.current(run).state == "paused"


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main()
