"""What the screens cost: a training's speed, bytes to the terminal, repaints, memory and the first frame.

python benchmarks/screen.py [--rounds 3] [--seconds 6] [--only NAME]

Speed: in one process and one training, the time of a step while the monitor is open, against that after its terminal
was lost and the training went on headless; the median over rounds. Everything is drawn on a real pseudo-terminal of
120 x 40.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import psutil
from machine import described

from cifar_core.events import AnyEvent, Evaluated, RunStarted, StepCompleted
from cifar_experiments import runs
from cifar_experiments.runs import Run

CASES = {
    "lenet-notes, batch 4": (
        ["--model", "lenet-notes", "--optimizer", "sgd", "optimizer.lr=0.001", "training.threads=1"],
        ["training.batch_size=4", "training.epochs=1000"],
    ),
    "resnet18, batch 16": (
        ["--model", "resnet18", "--optimizer", "sgd"],
        ["training.batch_size=16", "training.epochs=1000"],
    ),
}
SETTLE_SECONDS = 3.0


class Terminal:
    """The app on a pseudo-terminal of 120 x 40, whose output is only counted."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        kept = {key: value for key, value in os.environ.items() if key != "CI"}
        homes = {f"XDG_{name}_HOME": str(folder / "home") for name in ("CONFIG", "STATE", "DATA", "CACHE")}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cifar_tui", *arguments],
            env={**kept, **homes, "CIFAR_TUI_RUNS": str(folder / "runs"), "TERM": "xterm-256color"},
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509, no other thread runs here
        )
        os.close(far)
        self.seen = b""

    def read_for(self, seconds: float) -> int:
        """Read for so long; return how many bytes came."""
        count, deadline = 0, time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if select.select([self._near], [], [], left)[0]:
                block = os.read(self._near, 1 << 16)
                count += len(block)
                self.seen = (self.seen + block)[-(1 << 18) :]
        return count

    def until(self, condition: Callable[[], object]) -> None:
        """Read until a condition holds."""
        while not condition():
            if self.process.poll() is not None:
                raise SystemExit(f"the app ended with {self.process.returncode}: {self.seen[-500:]!r}")
            self.read_for(0.01)

    def shows(self, words: bytes) -> bool:
        """Whether words were on the screen lately."""
        return words in self.seen

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._near, keys)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._near)


@contextmanager
def terminal(*arguments: str) -> Iterator[tuple[Terminal, Path]]:
    """The app in folders of its own; it is killed in the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = Terminal(folder, *arguments)
        try:
            yield shown, folder / "runs"
        finally:
            shown.process.kill()
            shown.process.wait()


def training(shown: Terminal, folder: Path) -> Run:
    """Start what is chosen, and wait until it makes steps."""
    shown.until(lambda: b"epochs" in shown.seen)
    shown.read_for(1)
    shown.type(b"\r")
    shown.until(lambda: runs.in_folder(folder))
    [run] = runs.in_folder(folder)
    shown.until(lambda: runs.current(run).steps > 3)
    return run


def seconds_of_a_step(run: Run, begin: float, end: float) -> float:
    """The mean over the steps that were made between two moments."""
    times = [event.time for event in runs.read_events(run.events) if isinstance(event, StepCompleted)]
    within = [moment for moment in times if begin <= moment <= end]
    return (within[-1] - within[0]) / (len(within) - 1)


def is_in_state(run: Run, state: str) -> bool:
    """Whether a run is in a state now."""
    return runs.current(run).state == state


def speed(rounds: int, seconds: float) -> None:
    """Print what the open monitor takes from a training, and what it sends meanwhile."""
    for name, (presets, words) in CASES.items():
        ratios, steps, rates, idle = [], [], [], []
        for _ in range(rounds):
            with terminal(*presets, "data.kind=synthetic", *words) as (shown, folder):
                run = training(shown, folder)
                shown.read_for(SETTLE_SECONDS)
                begin = time.time()
                rates.append(shown.read_for(seconds) / seconds)
                end = time.time()
                shown.type(b" ")
                shown.until(partial(is_in_state, run, "paused"))
                shown.read_for(2)
                idle.append(shown.read_for(5))
                shown.type(b" ")
                shown.until(partial(is_in_state, run, "running"))
                shown.hang_up()
                time.sleep(SETTLE_SECONDS)
                headless = time.time()
                time.sleep(seconds)
                with_screen = seconds_of_a_step(run, begin, end)
                without = seconds_of_a_step(run, headless, headless + seconds)
            ratios.append(with_screen / without)
            steps.append(without)
        print(
            f"{name:24}  a step {statistics.median(steps) * 1000:8.2f} ms headless; with the monitor "
            f"{statistics.median(ratios):.3f} of that ({min(ratios):.3f} to {max(ratios):.3f}, {rounds} rounds); "
            f"{statistics.median(rates) / 1024:.1f} KiB/s to the terminal, paused {max(idle)} bytes in 5 s",
            flush=True,
        )


def first_frame(rounds: int) -> None:
    """Print how long it takes from the start of the process until the launch screen is on the terminal."""
    seconds = []
    for _ in range(3 * rounds):
        with terminal() as (shown, _):
            shown.until(partial(shown.shows, b"quickstart"))
            seconds.append(time.perf_counter() - shown.began)
            torch_there = any("libtorch" in each.path for each in psutil.Process(shown.process.pid).memory_maps())
            if torch_there:
                raise SystemExit("torch was imported before the first frame")
            shown.read_for(12)
            idle = shown.read_for(5)
    print(
        f"{'first frame':24}  {statistics.median(seconds):.2f} s after the start ({min(seconds):.2f} to "
        f"{max(seconds):.2f}, {3 * rounds} starts), torch not imported by then; idle afterwards {idle} bytes in 5 s"
    )


def scripted(steps: int) -> Iterator[AnyEvent]:
    """The events of a run with so many steps."""
    yield RunStarted(
        time=0.0,
        run_id="made",
        experiment="made",
        model="lenet-notes",
        parameters=62_006,
        multiply_adds=651_720,
        device="cpu",
        threads=1,
        train_images=50_000,
        val_images=5_000,
        test_images=10_000,
        classes=tuple(f"class {number}" for number in range(10)),
        epochs=100,
        batch_size=4,
        steps_per_epoch=12_500,
        total_steps=steps,
    )
    for step in range(1, steps + 1):
        yield StepCompleted(
            time=step / 2000,
            epoch=1 + step // 12_500,
            step=step,
            loss=2.3 / (1 + step / 20_000) + step % 17 / 20,
            accuracy=step % 5 / 4,
            learning_rate=0.001,
        )
        if step % 12_500 == 0:
            confusion = tuple(tuple(400 if row == column else 11 for column in range(10)) for row in range(10))
            yield Evaluated(
                time=step / 2000,
                epoch=step // 12_500,
                step=step,
                split="val",
                loss=1.5,
                top1=0.8,
                top5=0.99,
                class_correct=(400,) * 10,
                class_total=(500,) * 10,
                confusion=confusion,
                best=True,
                seconds=0.5,
            )


async def in_process() -> None:
    """Print the time of a repaint with 100,000 steps, and the memory after a million."""
    from cifar_experiments.presets.draft import Draft
    from cifar_tui.app import CifarApp
    from cifar_tui.background import Background
    from cifar_tui.following import Following
    from cifar_tui.plots import Sight, loss_plot
    from cifar_tui.screens.monitor import MonitorScreen
    from cifar_tui.settings import Layout, Settings
    from cifar_tui.training import Trainings
    from cifar_tui.widgets.plot import draw

    class Unhurried(Background):
        """Prepares nothing, so that torch's memory is no part of the figures."""

        def start(self) -> None:
            pass

    with tempfile.TemporaryDirectory() as name:
        run = Run(Path(name) / "made")
        run.path.mkdir()
        run.events.touch()
        background = Unhurried()
        app = CifarApp(
            draft=Draft(),
            trainings=Trainings(background.held),
            background=background,
            settings=Settings(),
            layout=Layout(),
            runs_dir=Path(name),
        )
        shown = Following(run)
        events = scripted(1_000_000)
        async with app.run_test(size=(120, 40)) as pilot:
            app.show_run(shown)
            await pilot.pause()
            screen = cast(MonitorScreen, app.screen)
            memory, repaints, redraws = [], [], []
            process = psutil.Process()
            for thousand in range(1, 1001):
                shown.record.apply([next(events) for _ in range(1000)])
                if thousand >= 100 and thousand % 20 == 0:
                    began = time.thread_time()
                    screen.asked()
                    await pilot.pause()
                    redraws.append(time.thread_time() - began)
                    began = time.perf_counter()
                    with shown.record.reading() as history:
                        plot = loss_plot(history, Sight(0, thousand * 1000, 100, smoothing=0.9))
                    draw(plot, 58, 18)
                    repaints.append(time.perf_counter() - began)
                if thousand in (100, 300, 1000):
                    memory.append(process.memory_info().rss / 2**20)
            await pilot.pause()
    print(
        f"{'one chart, repainted':24}  {statistics.median(repaints) * 1000:.2f} ms, history to text "
        f"(at most {max(repaints) * 1000:.2f}), with 100,000 steps and more"
    )
    print(
        f"{'all panes, redrawn':24}  {statistics.median(redraws) * 1000:.1f} ms of CPU time, everything on the screen included"
    )
    print(f"{'memory':24}  {', '.join(f'{size:.0f}' for size in memory)} MiB after 100,000, 300,000, 1,000,000 steps")


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--only", choices=["speed", "first", "repaint"])
    options = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    print(described("cpu"))
    if options.only in (None, "first"):
        first_frame(options.rounds)
    if options.only in (None, "repaint"):
        asyncio.run(in_process())
    if options.only in (None, "speed"):
        speed(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
