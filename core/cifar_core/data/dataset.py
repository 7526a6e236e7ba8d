"""What every source of images is turned into: uint8 tensors and class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SIDE = 32
"""Pixels along each side of every image."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Some images and what they show, in the order in which they were stored."""

    images: Tensor
    """uint8, N x 3 x 32 x 32, on the CPU: red, green and blue planes, rows from the top."""
    labels: Tensor
    """int64, N, on the CPU: for each image the index of its class."""

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: Tensor) -> Images:
        """Return a copy of the images at ``places`` (int64 indices), in that order."""
        return Images(self.images[places], self.labels[places])


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Everything that one experiment trains on and is judged by."""

    train: Images
    val: Images | None
    """Held out from the training images; None when the configuration asks for none."""
    test: Images
    classes: tuple[str, ...]
    """Names by label; every label is below their number."""
    extra: Mapping[str, Images] = field(default_factory=dict)
    """Further test sets, by name: looked at once, after the training's end."""


def from_arrays(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Images:
    """Return ``images`` (N x 3 x 32 x 32) and ``labels`` (N) as tensors that share the arrays' memory."""
    return Images(torch.from_numpy(images), torch.from_numpy(labels))
