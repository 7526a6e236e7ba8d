"""Images drawn by formula: ten figures to learn from where no data set is at hand.

Every figure is the same seen in a mirror, so that flipping never turns one class into another. Place, size, both
colours and the noise are drawn anew for each image, so that no single pixel tells the class. The images are always the
same ones: they do not depend on ``training.seed``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cifar_core.data.dataset import SIDE, Dataset, Images, from_arrays

CLASSES = ("disc", "ring", "square", "frame", "triangle", "plus", "cross", "rows", "columns", "checkers")
TRAIN_IMAGES = 10_000
TEST_IMAGES = 2_000

RADII = (10, 14)
"""Smallest and largest half of a figure's side, in pixels."""
NOISE = 40
"""Largest step, of 255, by which noise moves a channel of a pixel."""
CONTRAST = (40, 80)
"""Smallest and largest distance, of 255, between the figure's brightness and the background's."""

Floats = npt.NDArray[np.float32]


def draw_dataset() -> Dataset:
    """Return 10,000 training and 2,000 test images, as many of each class, shuffled."""
    random = np.random.Generator(np.random.PCG64(1998))  # seeds the data set, not an experiment
    return Dataset(train=_draw(TRAIN_IMAGES, random), val=None, test=_draw(TEST_IMAGES, random), classes=CLASSES)


def _draw(count: int, random: np.random.Generator) -> Images:
    labels = random.permutation(np.arange(count, dtype=np.int64) % len(CLASSES))
    images = np.empty((count, 3, SIDE, SIDE), dtype=np.uint8)
    for label in range(len(CLASSES)):
        places = np.flatnonzero(labels == label)
        images[places] = _draw_class(label, len(places), random)
    return from_arrays(images, labels)


def _draw_class(label: int, count: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """``count`` images of one class, N x 3 x 32 x 32."""
    radius = random.uniform(*RADII, (count, 1))
    # The figure lies within the image, at most touching its edge.
    centre = SIDE / 2 + (SIDE / 2 - radius) * random.uniform(-1, 1, (2, count, 1))
    offset = ((np.arange(SIDE) + 0.5 - centre) / radius).astype(np.float32)
    x = np.abs(offset[0, :, None, :])  # N x 1 x 32, mirrored at the figure's own axis
    y = offset[1, :, :, None]  # N x 32 x 1, downwards
    inside = _inside(CLASSES[label], x, y)[:, None, :, :]
    figure, ground = _colours(count, random)
    noise = random.integers(-NOISE, NOISE + 1, (count, 3, SIDE, SIDE), dtype=np.int8)
    return np.clip(np.where(inside, figure, ground) + noise, 0, 255).astype(np.uint8)


def _inside(name: str, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    """Where the figure is, N x 32 x 32; it spans -1 to 1 in both directions, and ``x`` is at least 0."""
    height = np.abs(y)
    square = np.maximum(x, height) < 0.9
    figures: dict[str, Callable[[], npt.NDArray[np.bool_]]] = {
        "disc": lambda: x**2 + y**2 < 1,
        "ring": lambda: np.abs(np.sqrt(x**2 + y**2) - 0.75) < 0.25,
        "square": lambda: square,
        "frame": lambda: square & (np.maximum(x, height) > 0.5),
        "triangle": lambda: square & (x < (y + 0.9) / 1.8),
        "plus": lambda: square & (np.minimum(x, height) < 0.27),
        "cross": lambda: square & (np.abs(x - height) < 0.36),
        "rows": lambda: square & _band(height),
        "columns": lambda: square & _band(x),
        "checkers": lambda: square & (_band(x) ^ _band(height)),
    }
    return figures[name]()


def _band(distance: Floats) -> npt.NDArray[np.bool_]:
    """Stripes 0.36 wide, one of them in the middle."""
    return (distance + 0.18) % 0.72 < 0.36


def _colours(count: int, random: np.random.Generator) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Two colours for each image, N x 3 x 1 x 1: the figure's, which is brighter or darker, and the background's."""
    level = random.uniform(60, 195, (count, 1))
    half = random.uniform(*CONTRAST, (count, 1)) / 2 * random.choice([-1, 1], (count, 1))
    tint = random.uniform(-60, 60, (2, count, 3))
    tint -= tint.mean(axis=2, keepdims=True)  # so that it moves the colour and not the brightness
    figure, ground = level + half + tint[0], level - half + tint[1]
    return figure.astype(np.int16)[:, :, None, None], ground.astype(np.int16)[:, :, None, None]
