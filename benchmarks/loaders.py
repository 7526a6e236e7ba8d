"""What each loader delivers, alone and to a training, against images that stay on the device.

    python benchmarks/loaders.py [--seconds 2] [--rounds 5] [--device cpu] [--batch-size 128] [--workers 2]

All contestants deliver the same synthetic images, cropped, flipped at random and normalised, in one process and in
alternation: in every round each of them works for some seconds while the others rest. First they only deliver; then
they feed the same plain training loop of ``lenet-notes``. The ratio of a round is a contestant's time for a step over
that of data.loader=resident in the same round; the median over the rounds is reported. DALI takes part where it is
installed. The plain DataLoader does what tutorials do: PIL images, torchvision's transforms, batch by batch.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import cast

import machine
import torch
from overhead import CROP_AND_FLIP, Case, Pictures, Segment, plain_loop, synchronise
from torch import Tensor
from torchvision import transforms

from cifar_core.clock import Clock
from cifar_core.config import Config
from cifar_core.data.resident import batches, shuffled
from cifar_core.preparation import Prepared, prepare

Batches = Iterator[tuple[Tensor, Tensor]]


def main() -> None:
    """Run the contestants and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each contestant in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2, help="as many as there are, where there are any")
    options = parser.parse_args()
    case = Case("lenet-notes", options.batch_size, 1, CROP_AND_FLIP)
    device = torch.device(options.device)
    print(machine.described(options.device))
    print("| loader | delivers | time | training step | time |")
    print("|---|---|---|---|---|")
    with contextlib.ExitStack() as ending:
        contestants = dict(entered(case, options, device, ending))
        torch.set_num_threads(1)
        alone = measured({name: delivering(found, device) for name, found in contestants.items()}, options)
        feeding = measured({name: plain_loop(case, device, found) for name, found in contestants.items()}, options)
        for name in contestants:
            rate = case.batch_size / statistics.median(alone[name])
            print(
                f"| {name} | {rate:,.0f} images/s | {ratio(alone, name):.2f} "
                f"| {1000 * statistics.median(feeding[name]):.2f} ms | {ratio(feeding, name):.2f} |"
            )


def entered(
    case: Case, options: argparse.Namespace, device: torch.device, ending: contextlib.ExitStack
) -> Iterator[tuple[str, Batches]]:
    """Yield each contestant's name and its batches, which have no end."""
    some = options.workers
    loaders: dict[str, Mapping[str, object]] = {
        "resident": {"loader": "resident"},
        "workers, none": {"loader": "workers", "workers": 0},
        f"workers, {some}": {"loader": "workers", "workers": some},
    }
    if importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.dali"):
        loaders["dali"] = {"loader": "dali"}
    for name, data in loaders.items():
        yield name, endless(prepared(case, options, data, {}, ending))
    if importlib.util.find_spec("albumentations"):
        data, distort = {"loader": "workers", "workers": some}, {"albumentations": "distort"}
        yield f"workers, {some}, albumentations", endless(prepared(case, options, data, distort, ending))
    images = prepared(case, options, {}, {}, ending).train
    for workers in (0, some):
        pictures = Pictures(
            images,
            transforms.Compose(
                [
                    transforms.RandomCrop(32, padding=4),
                    transforms.RandomHorizontalFlip(),
                    transforms.ToTensor(),
                    transforms.Normalize([0.5] * 3, [0.5] * 3),
                ]
            ),
        )
        yield f"plain DataLoader, torchvision, {workers} workers", plain(case, pictures, device, workers)


def prepared(
    case: Case,
    options: argparse.Namespace,
    data: Mapping[str, object],
    augment: Mapping[str, object],
    ending: contextlib.ExitStack,
) -> Prepared:
    """A training whose loader is this."""
    config = Config.model_validate(
        {
            "model": {"name": case.model},
            "data": {"kind": "synthetic", **data},
            "augment": {**case.augment, **augment},
            "training": {"batch_size": case.batch_size, "threads": case.threads, "device": options.device},
        }
    )
    preparing = prepare(config)
    try:
        while True:
            next(preparing)
    except StopIteration as done:
        found = cast(Prepared, done.value)
    ending.callback(found.source.close)
    return found


def endless(training: Prepared) -> Batches:
    """The batches of one epoch after the other, as the engine makes them."""
    size = training.config.training.batch_size
    for epoch in itertools.count(1):
        order = shuffled(len(training.train), epoch, training.device)
        load, augment = partial(training.source.blocks, epoch), partial(training.augment, epoch)
        yield from batches(load, training.train.labels, order, size, augment, Clock())


def plain(case: Case, pictures: Pictures, device: torch.device, workers: int) -> Batches:
    """The batches of a DataLoader that treats images one by one."""
    loader = torch.utils.data.DataLoader(
        pictures,
        batch_size=case.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )
    while True:
        for images, labels in loader:
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


def delivering(found: Batches, device: torch.device) -> Segment:
    """Takes batches and does nothing with them."""

    def segment(seconds: float) -> float:
        synchronise(device)
        began = time.perf_counter()
        steps = 0
        while time.perf_counter() - began < seconds:
            next(found)
            steps += 1
        synchronise(device)
        return (time.perf_counter() - began) / steps

    return segment


def measured(segments: dict[str, Callable[[float], float]], options: argparse.Namespace) -> dict[str, list[float]]:
    """Each contestant's seconds for a step, by round."""
    for segment in segments.values():
        segment(options.seconds / 2)
    times: dict[str, list[float]] = {name: [] for name in segments}
    for _ in range(options.rounds):
        for name, segment in segments.items():
            times[name].append(segment(options.seconds))
    return times


def ratio(times: dict[str, list[float]], name: str) -> float:
    """The median over the rounds of a contestant's time over that of resident images."""
    return statistics.median(mine / resident for mine, resident in zip(times[name], times["resident"], strict=True))


if __name__ == "__main__":
    main()
