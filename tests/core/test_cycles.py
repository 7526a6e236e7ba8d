"""One process starts and ends trainings as often as it likes, in every way, and nothing of them stays."""

import asyncio
import contextlib
import gc
import os
import threading
from statistics import mean

import psutil
import pytest
from PIL import Image

from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.engine import train
from cifar_core.events import CheckpointSaved, StepCompleted

CYCLES = 1_000 if os.environ.get("CIFAR_TUI_LONG_TESTS") else 60
WARM_UP = CYCLES // 4
# What the allocator keeps and gives back by its own mind. A model left behind each time, with gradients and momenta
# 4 MB, would in the short form raise the second half above the first by 90 MB.
SLACK_BYTES = 64 << 20


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A training of few images, that little time is spent on but beginnings and ends."""
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "data"))
    for number in range(40):
        image = tmp_path / "images" / ("train" if number < 32 else "test") / f"class{number % 2}" / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (6 * number, 100, 200)).save(image)
    return Config.model_validate(
        {
            "model": {"name": "conv3-notes"},
            "data": {"kind": "folder", "root": str(tmp_path / "images")},
            "optimizer": {"name": "sgd", "lr": 0.01},
            "training": {"epochs": 2, "batch_size": 8, "threads": 1, "device": "cpu", "checkpoint_every": 1},
        }
    )


async def completed(config, folder):
    async for _ in train(config, None, folder):
        pass


async def stopped(config, folder):
    control = Control()
    async for event in train(config, control, folder):
        if isinstance(event, StepCompleted):
            control.stop()


async def left(config, folder):
    async with contextlib.aclosing(train(config, None, folder)) as events:
        async for event in events:
            if isinstance(event, CheckpointSaved):
                break


async def cancelled(config, folder):
    async def work():
        async with contextlib.aclosing(train(config, None, folder)) as events:
            async for _ in events:
                await asyncio.sleep(0)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def resumed_after_a_pause(config, folder):
    control = Control()
    control.pause()
    control.checkpoint()
    async for event in train(config, control, folder):
        if isinstance(event, CheckpointSaved):
            control.stop()
    await anext(aiter(events := train(config, None, folder, folder)))
    await events.aclose()


ENDINGS = (completed, stopped, left, cancelled, resumed_after_a_pause)


@pytest.mark.slow
async def test_threads_descriptors_and_memory_stay_what_they_were(config, tmp_path):
    process = psutil.Process()
    threads, descriptors, memory = [], [], []
    for cycle in range(CYCLES):
        await ENDINGS[cycle % len(ENDINGS)](config, tmp_path / str(cycle % len(ENDINGS)))
        if cycle >= WARM_UP:
            threads.append(threading.active_count())
            descriptors.append(process.num_fds())
            if cycle % len(ENDINGS) == 0:
                gc.collect()
                memory.append(process.memory_info().rss)
    assert set(threads) == {threads[0]}
    assert set(descriptors) == {descriptors[0]}
    half = len(memory) // 2
    assert mean(memory[half:]) - mean(memory[:half]) < SLACK_BYTES
