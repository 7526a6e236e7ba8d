"""AutoAugment, RandAugment and TrivialAugment: which operations may be drawn, how strong, and how often.

Operations, magnitudes and probabilities are those of ``torchvision.transforms``; each image's are drawn for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cifar_core.augment import affine, operations
from cifar_core.augment.operations import Entry, Operations
from cifar_core.config import Augment
from cifar_core.randomness import derived_seed

Draw = Callable[[np.random.Generator, int], NDArray[np.int64]]
"""Maps a generator and the number of images B to int64 of shape (rounds, B): numbers of entries."""

_BINS = 31
"""How many magnitudes RandAugment and TrivialAugment know."""

_ENHANCING = ("Brightness", "Color", "Contrast", "Sharpness")
_SIGNED = (*affine.OPERATIONS, *_ENHANCING)
"""Those that are done one way or the other, with equal probability."""

_DRAWN = (*_SIGNED, "Identity", "Posterize", "Solarize", "AutoContrast", "Equalize")
"""What RandAugment and TrivialAugment draw from, 14 in all."""


@dataclass(frozen=True, slots=True)
class _Strongest:
    """The largest magnitudes."""

    shear: float
    """Pixels in a pixel."""
    across: float
    """Pixels of translation; cut off to whole ones."""
    down: float
    """Likewise."""
    degrees: float
    enhancement: float
    """Of brightness, colour, contrast and sharpness: what is added to, or taken from, the factor 1."""
    bits: int
    """That posterizing takes away."""


_WIDE = _Strongest(shear=0.99, across=32.0, down=32.0, degrees=135.0, enhancement=0.99, bits=6)

# Each line is a sub-policy: twice an operation, its probability, and its magnitude of 0 to 9.
_CIFAR10 = (
    (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
    (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
)


@dataclass(frozen=True, eq=False)
class Policy:
    """A way to draw operations, and the operations."""

    operations: Operations
    draw: Draw

    def __call__(self, images: Tensor, seed: int) -> Tensor:
        """Return the images, uint8 of shape (B, 3, H, W), each after the operations that ``seed`` draws for it."""
        return self.operations(images, self.draw(np.random.default_rng(derived_seed(seed, "policy")), len(images)))


def build(config: Augment, height: int, width: int, device: torch.device) -> Policy | None:
    """Return the policy that ``config.policy`` names, for images of this size on this device; None for none."""
    match config.policy:
        case "none":
            return None
        case "autoaugment":
            entries, draw = autoaugment(height, width)
        case "randaugment":
            entries, draw = randaugment(height, width, config.operations, config.magnitude)
        case "trivialaugment":
            entries, draw = trivialaugment()
    return Policy(operations.build(entries, height, width, device), draw)


def autoaugment(height: int, width: int) -> tuple[list[Entry], Draw]:
    """Return AutoAugment's entries for CIFAR-10, and how they are drawn.

    One of 25 sub-policies: two operations, each of which is done with a probability of its own (Cubuk et al., arXiv
    1805.09501).
    """
    magnitudes = _magnitudes(10, _narrow(height, width))
    steps = [step for pair in _CIFAR10 for step in pair]
    entries = [entry for name, _, level in steps for entry in _both_ways(name, magnitudes[name][level])]
    nothing = len(entries)
    probabilities = np.array([probability for _, probability, _ in steps])

    def draw(generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        chosen = 2 * generator.integers(len(_CIFAR10), size=count) + np.array([[0], [1]])
        entry = 2 * chosen + generator.integers(2, size=chosen.shape)
        return np.where(generator.random(chosen.shape) < probabilities[chosen], entry, nothing)

    return [*entries, ("Identity", 0.0)], draw


def randaugment(height: int, width: int, rounds: int, magnitude: int) -> tuple[list[Entry], Draw]:
    """Return RandAugment's entries of this magnitude, 0 to 30, and how they are drawn.

    Several operations one after another, each time any with equal probability (Cubuk et al., arXiv 1909.13719).
    """
    magnitudes = _magnitudes(_BINS, _narrow(height, width))
    entries = [entry for name in _DRAWN for entry in _both_ways(name, magnitudes[name][magnitude])]
    return entries, lambda generator, count: generator.integers(len(entries), size=(rounds, count))


def trivialaugment() -> tuple[list[Entry], Draw]:
    """Return TrivialAugment's entries, and how they are drawn.

    One operation, any with equal probability, and any of its magnitudes (Müller and Hutter, arXiv 2103.10158; the wide
    ranges).
    """
    magnitudes = _magnitudes(_BINS, _WIDE)
    entries = [entry for name in _DRAWN for level in magnitudes[name] for entry in _both_ways(name, level)]
    return entries, lambda generator, count: generator.integers(len(entries), size=(1, count))


def _both_ways(name: str, magnitude: float) -> tuple[Entry, Entry]:
    """Return two entries, also where they are the same, so that every operation has equally many."""
    return (name, magnitude), (name, -magnitude if name in _SIGNED else magnitude)


def _narrow(height: int, width: int) -> _Strongest:
    share = 150 / 331  # AutoAugment's 150 pixels, of ImageNet's images of 331
    return _Strongest(shear=0.3, across=share * width, down=share * height, degrees=30.0, enhancement=0.9, bits=4)


def _magnitudes(bins: int, strongest: _Strongest) -> dict[str, list[float]]:
    """Return the magnitudes of each operation, from the weakest to the strongest."""

    def rising(top: float) -> list[float]:
        return torch.linspace(0.0, top, bins).tolist()

    nothing = [0.0] * bins
    return {
        "Identity": nothing,
        "ShearX": rising(strongest.shear),
        "ShearY": rising(strongest.shear),
        "TranslateX": rising(strongest.across),
        "TranslateY": rising(strongest.down),
        "Rotate": rising(strongest.degrees),
        **dict.fromkeys(_ENHANCING, rising(strongest.enhancement)),
        "Posterize": (8 - (torch.arange(bins) / ((bins - 1) / strongest.bits)).round()).tolist(),
        "Solarize": torch.linspace(255.0, 0.0, bins).tolist(),
        "AutoContrast": nothing,
        "Equalize": nothing,
        "Invert": nothing,
    }
