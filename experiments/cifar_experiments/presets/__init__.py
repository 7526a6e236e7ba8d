"""Presets: named TOML files for models, augmentations, optimizers and whole experiments.

The built-in files lie in the folders beside this one. ``files`` finds, reads, lists and writes them, ``lines``
knows which line a key stands in, ``layers`` and ``composing`` make one configuration of several, ``saving``
makes new ones, and ``toml`` is how values are written. ``draft`` is a choice that is about to be started, and
``fields`` what is known of each key.
"""

from cifar_experiments.presets.composing import Composed, Row, compose, explain
from cifar_experiments.presets.files import KINDS, Kind, Listed, Preset, listing, load, own_copy, user_folder
from cifar_experiments.presets.layers import Source
from cifar_experiments.presets.saving import save

__all__ = [
    "KINDS",
    "Composed",
    "Kind",
    "Listed",
    "Preset",
    "Row",
    "Source",
    "compose",
    "explain",
    "listing",
    "load",
    "own_copy",
    "save",
    "user_folder",
]
