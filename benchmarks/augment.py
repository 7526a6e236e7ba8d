"""What augmentation costs: blocks of images against torchvision's transforms, image by image.

    python benchmarks/augment.py [--rounds 7] [--device cpu] [--threads 1] [--case randaugment]

Both turn bytes into normalised floats and draw parameters for every image. The two take turns in one process, so that
a machine that slows down for a while slows both; the median over the rounds is reported, and so is that of the ratios.
torchvision works on the CPU whatever the device, on PIL images and on tensors, by its newer transforms (v2); mixup and
cutmix it does by the batch, with one share for all, so they are measured against batches of 128.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import machine
import torch
from torch import Tensor
from torchvision.transforms import AutoAugmentPolicy, v2

from cifar_core.augment import prepare
from cifar_core.config import Augment

BLOCK = 512
BATCH = 128
ONE_BY_ONE = 128
GREY = (0.5, 0.5, 0.5)

CASES: dict[str, tuple[Mapping[str, object], Callable[[], torch.nn.Module]]] = {
    "nothing": ({}, v2.Identity),
    "crop, flip": (
        {"crop": 4, "flip": "random"},
        lambda: v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()]),
    ),
    "jitter": (
        {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05},
        lambda: v2.ColorJitter(0.2, 0.2, 0.2, 0.05),
    ),
    "autoaugment": ({"policy": "autoaugment"}, lambda: v2.AutoAugment(AutoAugmentPolicy.CIFAR10)),
    "randaugment": ({"policy": "randaugment"}, v2.RandAugment),
    "trivialaugment": ({"policy": "trivialaugment"}, v2.TrivialAugmentWide),
    "erasing": ({"erasing": 0.5}, lambda: v2.RandomErasing(0.5)),
    "mixup": ({"mixup": 1.0}, lambda: v2.MixUp(num_classes=10)),
    "cutmix": ({"cutmix": 1.0}, lambda: v2.CutMix(num_classes=10)),
}


def main() -> None:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="may be given several times; all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{machine.described(options.device)}; {options.threads} threads")
    print("| augmentation | in blocks, us an image | torchvision, tensors | ratio | torchvision, PIL images | ratio |")
    print("|---|---|---|---|---|---|")
    for name in options.case or CASES:
        ours, *others = measured(name, torch.device(options.device), options.rounds)
        figures = [f"{1e6 * statistics.median(ours):.2f}"]
        for other in others:
            ratios = [their_time / our_time for their_time, our_time in zip(other, ours, strict=True)]
            figures += [f"{1e6 * statistics.median(other):.1f}", f"{statistics.median(ratios):.1f}"]
        figures += [""] * (5 - len(figures))
        print(f"| {name} | {' | '.join(figures)} |", flush=True)


def measured(name: str, device: torch.device, rounds: int) -> list[list[float]]:
    """Return the seconds an image of ours, of torchvision on tensors and on PIL images, each by round."""
    keys, transform = CASES[name]
    images = torch.randint(256, (BLOCK, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(BLOCK) % 10
    contestants = [in_blocks(keys, images.to(device), labels.to(device))]
    if name in ("mixup", "cutmix"):
        contestants.append(by_the_batch(transform(), images, labels))
    else:
        contestants += [one_by_one(name, transform(), images, pictures=pictures) for pictures in (False, True)]
    times: list[list[float]] = [[] for _ in contestants]
    for number in range(rounds + 1):
        for contestant, of_it in zip(contestants, times, strict=True):
            seconds = contestant()
            if number:  # the first round is to warm up
                of_it.append(seconds)
    return times


def in_blocks(keys: Mapping[str, object], images: Tensor, labels: Tensor) -> Callable[[], float]:
    """This project's augmentation of 20 blocks of 512 images."""
    config = Augment.model_validate({"mean": GREY, "std": GREY, **keys})
    augment = prepare(config, images, 0, classes=10, device=images.device)
    indices = torch.arange(BLOCK, device=images.device)

    def run() -> float:
        synchronise(images.device)
        began = time.perf_counter()
        for seed in range(20):
            augment(images, labels, indices, epoch=1, seed=seed, batch_size=BATCH)
        synchronise(images.device)
        return (time.perf_counter() - began) / (20 * BLOCK)

    return run


def one_by_one(name: str, transform: torch.nn.Module, images: Tensor, *, pictures: bool) -> Callable[[], float]:
    """One image after another by torchvision's transform, PIL images or tensors."""
    to_floats = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(GREY, GREY)]
    whole = v2.Compose([*to_floats, transform] if name == "erasing" else [transform, *to_floats])
    to_picture = v2.ToPILImage()
    singles = [to_picture(image) if pictures else image for image in images[:ONE_BY_ONE]]

    def run() -> float:
        began = time.perf_counter()
        for single in singles:
            whole(single)
        return (time.perf_counter() - began) / len(singles)

    return run


def by_the_batch(transform: torch.nn.Module, images: Tensor, labels: Tensor) -> Callable[[], float]:
    """Batches of tensors by torchvision's transform, normalised before."""
    to_floats = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(GREY, GREY)])

    def run() -> float:
        began = time.perf_counter()
        for batch, answers in zip(images.split(BATCH), labels.split(BATCH), strict=True):
            transform(to_floats(batch), answers)
        return (time.perf_counter() - began) / len(images)

    return run


def synchronise(device: torch.device) -> None:
    """Wait for the device, where it works by itself."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
