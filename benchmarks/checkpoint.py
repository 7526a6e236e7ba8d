"""What a checkpoint costs: seconds and bytes of a save and a load, and the share of the training time that goes there.

The share is that of the default interval. It follows from the seconds of a save, by the rule that the engine uses
(``cifar_core.cadence``) on a clock that is turned by hand, for epochs from very short to long; and for one small
network it is measured in a training as well.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from machine import described

from cifar_core import checkpoint
from cifar_core.cadence import Cadence
from cifar_core.config import Config
from cifar_core.engine import train
from cifar_core.events import CheckpointSaved, RunFinished
from cifar_core.learner import Learner

SAVES = 7
HOUR = 3600.0
EPOCH_SECONDS = (1.0, 3.0, 10.0, 60.0, 600.0)
# Parameters of WRN-28-10 (Zagoruyko and Komodakis, arXiv 1605.07146, table 4); with momentum, twice as many numbers.
WRN_28_10 = 36_500_000


def main() -> None:
    """Print the tables."""
    print(f"{described('cpu')}\n")
    print(f"{'':22}{'parameters':>12}{'bytes':>8}{'save':>9}{'load':>9}   share of the time, an epoch taking")
    print(f"{'':63}" + "".join(f"{f'{seconds:g} s':>9}" for seconds in EPOCH_SECONDS))
    for name, parameters, state in states():
        with tempfile.TemporaryDirectory() as folder:
            saved, loaded, size = measured(Path(folder), state)
        shares = "".join(f"{100 * share(saved, seconds):7.2f} %" for seconds in EPOCH_SECONDS)
        print(f"{name:22}{parameters:12,}{size / 1e6:5.0f} MB{saved:7.3f} s{loaded:7.3f} s   {shares}")
    print(f"\nmeasured in a training of lenet-notes, 30 short epochs: {100 * asyncio.run(in_training()):.2f} %")


def states() -> Iterator[tuple[str, int, dict[str, object]]]:
    """Yield (name, number of parameters, state) of what is saved."""
    for name in ("lenet-notes", "resnet18"):
        config = Config.model_validate({"model": {"name": name}, "data": {"kind": "synthetic"}})
        learner = Learner(config, 10, torch.device("cpu"))
        learner.update(torch.randn(8, 3, 32, 32), torch.arange(8))
        yield name, sum(p.numel() for p in learner.model.parameters()), learner.state()
    weights = {f"block{index}": torch.randn(WRN_28_10 // 28) for index in range(28)}
    momenta = {index: torch.randn_like(weight) for index, weight in enumerate(weights.values())}
    yield "as large as WRN-28-10", WRN_28_10, {"model": weights, "optimizer": {"state": momenta}}


def measured(folder: Path, state: dict[str, object]) -> tuple[float, float, int]:
    """Return the median seconds of a save and of a load, and the bytes of a checkpoint."""
    saves, loads, size = [], [], 0
    for step in range(SAVES):
        began = time.perf_counter()
        size = checkpoint.save(folder, state, step=step).bytes
        saves.append(time.perf_counter() - began)
        began = time.perf_counter()
        checkpoint.load(folder)
        loads.append(time.perf_counter() - began)
    return statistics.median(saves), statistics.median(loads), size


def share(saving: float, epoch_seconds: float) -> float:
    """Return the share of some hours that saving takes with the default settings."""
    now = saved = 0.0
    training = Config().training
    cadence = Cadence(training.checkpoint_every, training.checkpoint_minutes, lambda: now)
    epoch = 0
    while now < 10 * HOUR:
        now += epoch_seconds
        epoch += 1
        if cadence.due_after_epoch(epoch) or cadence.due():
            now += saving
            saved += saving
            cadence.saved(saving)
    return saved / now


async def in_training() -> float:
    """Return the share of a real training's time; its epochs take about a second."""
    config = Config.model_validate(
        {
            "data": {"kind": "synthetic", "limit": 5000},
            "optimizer": {"lr": 0.05},
            "training": {"epochs": 30, "batch_size": 64, "threads": 1, "device": "cpu"},
        }
    )
    saving = seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        async for event in train(config, None, Path(folder)):
            match event:
                case CheckpointSaved():
                    saving += event.seconds
                case RunFinished():
                    seconds = event.training_seconds + event.evaluation_seconds + event.data_seconds
    return saving / (seconds + saving)


if __name__ == "__main__":
    main()
