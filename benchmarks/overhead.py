"""What the engine costs: its steps against a bare PyTorch loop's and a DataLoader loop's.

    python benchmarks/overhead.py [--seconds 4] [--rounds 7] [--device cpu] [--case lenet-4]

All contestants train the same model with the same optimizer on batches of the same images, in one
process, in alternation: in every round each of them works for some seconds while the others rest. The
ratio of a round is a contestant's time for a step over the bare loop's in the same round; the median
over the rounds is reported, with the lowest and the highest. So a machine that slows down for a while
slows all of them.

The bare loop takes batches that are ready: normalised, augmented, on the device; once with torch's
default optimizer and once with the fused one, which the engine uses. The engine starts from
uint8 images, augments them itself, reports every step, and writes every event to a run folder. The
DataLoader loops do what tutorials do: PIL images, torchvision's transforms, in 0 or 2 worker processes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import machine
import torch
from torch import Tensor, nn
from torchvision import transforms

from cifar_core import augment
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.data.dataset import Images
from cifar_core.data.load import load
from cifar_core.engine import train
from cifar_core.events import Paused, Resumed, StepCompleted
from cifar_core.models import registry as models
from cifar_experiments import runs

READY_BATCHES = 32
NOTHING = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
CROP_AND_FLIP = {**NOTHING, "crop": 4, "flip": "random"}
Segment = Callable[[float], float]
"""Trains for about so many seconds and returns the seconds that one step took."""


@dataclass(frozen=True)
class Case:
    """One model and batch size to compare with."""

    model: str
    batch_size: int
    threads: int
    augment: Mapping[str, object]


CASES = {
    "lenet-4": Case("lenet-notes", 4, 1, NOTHING),
    "lenet-512": Case("lenet-notes", 512, 2, CROP_AND_FLIP),
    "resnet18-128": Case("resnet18", 128, 2, CROP_AND_FLIP),
}


def main() -> None:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="may be given several times; all by default")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each contestant in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(machine.described(options.device))
    print("| case | contestant | time of a step | ratio to the bare loop | lowest to highest |")
    print("|---|---|---|---|---|")
    for name in options.case or CASES:
        for contestant, times, ratios in compared(CASES[name], options):
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
            middle = f"{1000 * statistics.median(times):.3f} ms | {statistics.median(ratios):.3f}"
            print(f"| {name} | {contestant} | {middle} | {spread} |", flush=True)


def compared(case: Case, options: argparse.Namespace) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield each contestant's name, seconds for a step and ratios to the bare loop, by round."""
    config = Config.model_validate(
        {
            "name": "overhead",
            "model": {"name": case.model},
            "data": {"kind": "synthetic"},
            "augment": case.augment,
            "optimizer": {"lr": 1e-4},
            "training": {
                "epochs": 1_000_000,
                "batch_size": case.batch_size,
                "threads": case.threads,
                "device": options.device,
                "evaluate_every": 1_000_000_000,  # no other contestant evaluates
            },
        }
    )
    torch.set_num_threads(case.threads)
    images = drawn(config)
    device = torch.device(options.device)
    with asyncio.Runner() as runner, contextlib.ExitStack() as ending:
        contestants: dict[str, Segment] = {
            "bare loop, ready batches": bare(case, config, images, device),
            "the same, fused optimizer": bare(case, config, images, device, fused=True),
            "cifar-tui, events and run folder": engine(config, runner, ending),
            "DataLoader, 0 workers": loader(case, images, device, 0),
            "DataLoader, 2 workers": loader(case, images, device, 2),
        }
        for segment in contestants.values():
            segment(options.seconds / 2)
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, segment in contestants.items():
                times[name].append(segment(options.seconds))
    [reference, *_] = times.values()
    for name, measured in times.items():
        yield name, measured, [mine / bare for mine, bare in zip(measured, reference, strict=True)]


def drawn(config: Config) -> Images:
    """The synthetic training images."""
    loading = load(config.data, config.training.seed)
    try:
        while True:
            next(loading)
    except StopIteration as done:
        return cast(Images, done.value.train)


def plain_loop(
    case: Case, device: torch.device, batches: Iterator[tuple[Tensor, Tensor]], *, fused: bool | None = None
) -> Segment:
    """The loop that everybody writes first; ``fused`` is the optimizer's, None for torch's default."""
    model = models.build(Config.model_validate({"model": {"name": case.model}}).model, 10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=fused)
    criterion = nn.CrossEntropyLoss()

    def segment(seconds: float) -> float:
        synchronise(device)
        began = time.perf_counter()
        steps = 0
        while time.perf_counter() - began < seconds:
            images, labels = next(batches)
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            steps += 1
        synchronise(device)
        return (time.perf_counter() - began) / steps

    return segment


def bare(case: Case, config: Config, images: Images, device: torch.device, *, fused: bool | None = None) -> Segment:
    """The plain loop over batches that are ready."""
    prepared = augment.prepare(config.augment, images.images, 0, classes=10, device=images.images.device)
    indices = torch.arange(READY_BATCHES * case.batch_size) % len(images)
    chosen = images.at(indices)
    floats, labels = prepared(chosen.images, chosen.labels, indices, epoch=1, seed=0, batch_size=case.batch_size)
    batches = zip(floats.to(device).split(case.batch_size), labels.to(device).split(case.batch_size), strict=True)
    ready = list(batches)
    return plain_loop(case, device, itertools.cycle(ready), fused=fused)


class Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """The same images as PIL images, transformed one by one."""

    def __init__(self, images: Images, transform: Callable[[object], Tensor]) -> None:
        pixels = images.images.permute(0, 2, 3, 1).contiguous()
        to_picture = transforms.ToPILImage()
        self._pictures = [to_picture(one.numpy()) for one in pixels]
        self._labels = images.labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(self._pictures[index]), self._labels[index]


def loader(case: Case, images: Images, device: torch.device, workers: int) -> Segment:
    """The plain loop over a DataLoader with torchvision's transforms."""
    steps: list[Callable[..., object]] = []
    if case.augment.get("crop"):
        steps += [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        batches = torch.utils.data.DataLoader(
            Pictures(images, transform),
            batch_size=case.batch_size,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
        )
        while True:
            for batch, labels in batches:
                yield batch.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    return plain_loop(case, device, endless())


def engine(config: Config, runner: asyncio.Runner, ending: contextlib.ExitStack) -> Segment:
    """This project's engine with a run folder: every step's event is made, taken and written."""
    control = Control()
    control.pause()
    runs_dir = Path(ending.enter_context(tempfile.TemporaryDirectory()))
    kept = runs.create(config, command=["overhead"], runs_dir=runs_dir)
    recorder = runs.Recorder(kept, ending.enter_context(runs.locked(kept)))
    events = recorder.record(train(config, control, run_id=kept.id))
    ending.callback(lambda: runner.run(events.aclose()))

    async def until_paused() -> Paused:
        async for event in events:
            if isinstance(event, Paused):
                return event
        raise RuntimeError("the training ended before the benchmark did")

    async def resumed_for(seconds: float) -> float:
        control.resume()
        begun: Resumed | None = None
        async for event in events:
            if isinstance(event, Resumed):
                begun = event
            elif isinstance(event, StepCompleted) and begun and event.time - begun.time >= seconds:
                control.pause()
                paused = await until_paused()
                return (paused.time - begun.time) / (paused.step - begun.step)
        raise RuntimeError("the training ended before the benchmark did")

    runner.run(until_paused())
    return lambda seconds: runner.run(resumed_for(seconds))


def synchronise(device: torch.device) -> None:
    """Wait for the device, where it works by itself."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
