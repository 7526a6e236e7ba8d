"""What is published about torchvision's networks, without importing it: their sizes, and the errors of their weights.

``torchvision.json`` beside this file is made by ``docs/catalog.py`` of what torchvision itself tells.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from cifar_core.models.names import library_of

Rgb = tuple[float, float, float]

FILE = Path(__file__).with_name("torchvision.json")


class Weights(msgspec.Struct, frozen=True):
    """One set of weights, trained on ImageNet."""

    name: str
    top1_error: float | None
    """Of the validation images, in %; None where none is published."""
    top5_error: float | None
    side: int
    """Of the square images that the errors are of, in pixels."""
    mean: Rgb
    """What was taken off the images, of values from 0 to 1, in training."""
    std: Rgb
    """What they were divided by then."""


class Entry(msgspec.Struct, frozen=True):
    """One network, as made for ImageNet."""

    name: str
    """As torchvision has it."""
    parameters: int
    """For 1,000 classes; GoogLeNet's without the classifiers that only training has."""
    multiply_adds: int
    """Of one image of the network's own size, to the nearest million."""
    side: int
    """In pixels of the square images that it is made for."""
    default: str
    """Which weights are meant by DEFAULT."""
    weights: tuple[Weights, ...]

    def published(self, name: str | None) -> Weights | None:
        """Return the weights that ``model.weights`` names, DEFAULT included; None where it names none of these."""
        wanted = self.default if name == "DEFAULT" else name
        return next((each for each in self.weights if each.name == wanted), None)


class Catalog(msgspec.Struct, frozen=True):
    """All of them."""

    made_with: str
    """The version of torchvision that told it."""
    networks: tuple[Entry, ...]


@cache
def catalog() -> Catalog:
    """Return what the file says, which is read once."""
    return msgspec.json.decode(FILE.read_bytes(), type=Catalog)


@cache
def _by_name() -> dict[str, Entry]:
    return {entry.name: entry for entry in catalog().networks}


def find(name: str) -> Entry | None:
    """Return what is known of a network by its name in a configuration, such as ``torchvision:resnet18``."""
    found = library_of(name)
    return _by_name().get(found[1]) if found is not None and found[0] == "torchvision" else None
