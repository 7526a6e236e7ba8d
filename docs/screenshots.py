"""Makes the pictures of README.md from real runs of the quick start: docs/*.svg.

.venv/bin/python docs/screenshots.py

Run it after a change to what the screens look like. It trains three seeds for about ten seconds each.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from cifar_experiments.presets.draft import Draft
from cifar_experiments.runs import in_folder
from cifar_tui.app import CifarApp
from cifar_tui.background import Background
from cifar_tui.settings import Layout, Settings
from cifar_tui.training import Trainings

HERE = Path(__file__).parent
SIZE = (112, 36)
RUNS = Path(tempfile.gettempdir()) / "cifar-tui-demo"
# Augmentation and weight decay, so that curves and classes differ a little.
DRAFT = Draft("quickstart", augment="crop-flip", edits=(("data.validation", "0.2"), ("training.seed", "1")))
_FOREIGN_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def main() -> None:
    """Walk through the screens as a user would, and keep a picture of each."""
    with tempfile.TemporaryDirectory() as home:
        # No presets of whoever runs this are to be listed, and no path is to stand in a picture.
        os.chdir(home)
        for name in ("CONFIG", "STATE", "DATA", "CACHE"):
            os.environ[f"XDG_{name}_HOME"] = home
        background = Background()
        trainings = Trainings(background.held)
        app = CifarApp(
            draft=DRAFT,
            trainings=trainings,
            background=background,
            settings=Settings(),
            layout=Layout(),
            runs_dir=RUNS,
        )
        async with app.run_test(size=SIZE) as pilot:

            async def until(condition: Callable[[], object]) -> None:
                while not condition():
                    await pilot.pause(0.1)
                await pilot.pause(1)

            def keep(name: str) -> None:
                picture = _FOREIGN_FONTS.sub("", app.export_screenshot(title="cifar-tui"))
                (HERE / f"{name}.svg").write_text(picture, encoding="utf-8")

            def steps() -> int:
                with trainings.all[0].record.reading() as history:
                    return history.step

            await until(lambda: background.readiness.seconds is not None)
            keep("launch")
            await pilot.press("n")
            await until(lambda: app.screen.query("#entry"))
            await pilot.press(*["backspace"] * 3, "3", "enter")
            await until(lambda: trainings.all and steps() > 560)
            keep("monitor")
            await until(lambda: len(trainings.all) == 3 and all(training.ended for training in trainings.all))
            await pilot.press("escape", "r")
            await until(lambda: len(in_folder(RUNS)) == 3)
            await pilot.press("a")
            await pilot.pause(1)
            keep("runs")
            await pilot.press("c")
            await pilot.pause(3)
            await pilot.press("v", "v", "v", "g")
            await pilot.pause(1)
            keep("compare")


if __name__ == "__main__":
    shutil.rmtree(RUNS, ignore_errors=True)
    asyncio.run(main())
    shutil.rmtree(RUNS)
