"""What is done to a block of training images, from bytes to normalised floats, in its order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_core.augment import policies
from cifar_core.augment.colour import jittered
from cifar_core.augment.erase import cut_out, erase
from cifar_core.augment.geometry import cropped, mirrored
from cifar_core.augment.mixing import mixed
from cifar_core.augment.policies import Policy
from cifar_core.config import Augment


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images, with everything that the training images themselves decide."""

    config: Augment
    mean: Tensor
    """float32 of shape (1, 3, 1, 1): each channel's, of images scaled to 0..1."""
    std: Tensor
    """float32 of shape (1, 3, 1, 1), likewise."""
    first_flips: Tensor
    """bool of shape (N,): which of the N training images alternating flip mirrors in epoch 1."""
    policy: Policy | None
    classes: int

    def normalise(self, images: Tensor) -> Tensor:
        """Return ``(images / 255 - mean) / std``: uint8 to float32, both of shape (B, 3, 32, 32)."""
        # The scale to 0..1 is folded into mean and std: two passes over the block rather than three.
        return images.float().sub_(255 * self.mean).mul_(1 / (255 * self.std))

    def __call__(
        self, images: Tensor, labels: Tensor, indices: Tensor, *, epoch: int, seed: int, batch_size: int
    ) -> tuple[Tensor, Tensor]:
        """Return the images as the model is to see them, and their targets, as configured.

        In this order: flip, crop, policy, colour jitter, normalisation, cutout, erasing, mixing. No step of it waits
        for the device.

        Args:
            images: uint8 of shape (B, 3, 32, 32); left as they are.
            labels: int64 of shape (B,).
            indices: int64 of shape (B,): which training images they are.
            epoch: Counted from 1.
            seed: Of all that is drawn. Only what is configured draws, so that the rest is the same with and without.
            batch_size: So many images, from the first on, are a batch, the last one smaller where it must be;
                images are mixed with others of their batch.

        Returns:
            float32 of shape (B, 3, 32, 32); and the labels, or, where images are mixed, each class's share,
            float32 of shape (B, classes).
        """
        config = self.config
        generator = torch.Generator(images.device)
        generator.manual_seed(seed)
        if config.flip == "random":
            images = mirrored(images, torch.rand(len(images), generator=generator, device=images.device) < 0.5)
        elif config.flip == "alternating":
            # Random once, then the other way round in each epoch (Jordan, arXiv 2404.00498, section 3.6):
            # two epochs in a row show every image both ways.
            images = mirrored(images, self.first_flips[indices] ^ (epoch % 2 == 0))
        if config.crop:
            images = cropped(images, config.crop, config.padding, generator)
        if self.policy is not None:
            images = self.policy(images, seed)
        images = jittered(images, config, generator)
        normalised = self.normalise(images)
        if config.cutout:
            cut_out(normalised, config.cutout, generator)
        if config.erasing:
            erase(normalised, config.erasing, generator)
        if config.mixup or config.cutmix:
            return mixed(normalised, labels, config, self.classes, batch_size, seed)
        return normalised, labels


def prepare(config: Augment, train_images: Tensor, seed: int, *, classes: int, device: torch.device) -> Augmentation:
    """Return the augmentation for these training images.

    Args:
        config: What to do. Its mean and std, where given, replace the images' own.
        train_images: uint8 of shape (N, 3, 32, 32), wherever they are.
        seed: Of ``first_flips``, which are the same on every device.
        classes: How many there are.
        device: Where images will be when they are augmented.
    """
    mean, std = _statistics(train_images) if config.mean is None or config.std is None else ((), ())
    flips = torch.rand(len(train_images), generator=torch.Generator().manual_seed(seed)) < 0.5
    return Augmentation(
        config=config,
        mean=torch.tensor(config.mean or mean, device=device).view(1, 3, 1, 1),
        std=torch.tensor(config.std or std, device=device).view(1, 3, 1, 1),
        first_flips=flips.to(device),
        policy=policies.build(config, train_images.shape[-2], train_images.shape[-1], device),
        classes=classes,
    )


def _statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and population standard deviation of uint8 images scaled to 0..1.

    A channel of one single value gets a deviation of 1, so that it can be divided by.
    """
    means, deviations = [], []
    for channel in images.unbind(1):
        # From counts of the 256 values: exact in whole numbers, and no image has to become float.
        counts = torch.bincount(channel.flatten(), minlength=256).tolist()
        total = sum(counts)
        first = sum(value * count for value, count in enumerate(counts))
        second = sum(value * value * count for value, count in enumerate(counts))
        means.append(first / total / 255)
        deviations.append((total * second - first * first) ** 0.5 / total / 255 or 1.0)
    return tuple(means), tuple(deviations)
