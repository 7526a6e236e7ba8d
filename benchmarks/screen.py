"""What the screens cost by themselves: the first frame, a repaint, memory.

python benchmarks/screen.py [--starts 9]

benchmarks/screen_speed.py measures what they take from a training.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import psutil
from machine import described
from terminal import terminal

from cifar_core.events import AnyEvent, Evaluated, RunStarted, StepCompleted
from cifar_experiments.runs import Run


def first_frame(starts: int) -> None:
    """Print how long it takes from the start of the process until the launch screen is on the terminal."""
    seconds = []
    for _ in range(starts):
        with terminal("-m", "cifar_tui") as (shown, _):
            shown.until(partial(shown.shows, b"quickstart"))
            seconds.append(time.perf_counter() - shown.began)
            torch_there = any("libtorch" in each.path for each in psutil.Process(shown.process.pid).memory_maps())
            if torch_there:
                raise SystemExit("torch was imported before the first frame")
            shown.read_for(12)
            idle = shown.read_for(5)
    print(
        f"{'first frame':24}  {statistics.median(seconds):.2f} s after the start ({min(seconds):.2f} to "
        f"{max(seconds):.2f}, {starts} starts), torch not imported by then; idle afterwards {idle} bytes in 5 s"
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
        f"{'all panes, redrawn':24}  {statistics.median(redraws) * 1000:.1f} ms of CPU time, "
        "everything on the screen included"
    )
    sizes = ", ".join(f"{size:.0f}" for size in memory)
    print(f"{'memory':24}  {sizes} MiB after 100,000, 300,000, 1,000,000 steps")


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=9)
    options = parser.parse_args()
    print(described("cpu"))
    first_frame(options.starts)
    asyncio.run(in_process())


if __name__ == "__main__":
    main()
