"""Where the training images of each step come from, as ``data.loader`` says.

All sources hand out the same blocks of the same images, uint8 on the device, and everything that is drawn for them is
drawn by their place. So a training makes the same steps from each of them, and goes on from the other's checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from cifar_core.config import Config
from cifar_core.data import resident
from cifar_core.data.dataset import Images
from cifar_core.events import Preparing

if TYPE_CHECKING:
    from cifar_core.data.transforms import Transforms


class Source(Protocol):
    """The training images, by the block."""

    @property
    def train(self) -> Images:
        """The images wherever the source keeps them, as they were stored; their labels on the device."""

    @property
    def place(self) -> Mapping[str, str]:
        """What the images depend on besides the configuration, each with its name."""

    def blocks(self, epoch: int, order: Tensor, size: int, first: int) -> Iterator[Tensor]:
        """Yield, on the device, the images of one block of ``order`` after the other: uint8 N x 3 x 32 x 32.

        Args:
            epoch: Counted from 1.
            order: int64 of shape (N,): indices of training images, on any device.
            size: Images in a block; the last one may be smaller.
            first: How many blocks to leave out at the beginning.

        Raises:
            CifarError: An image cannot be had.
        """

    def close(self) -> None:
        """Let go of everything but the images; may be called twice."""


Opening = Callable[[Images, torch.device], Generator[Preparing, None, Source]]
"""Takes the training images, as they were loaded, and the device; yields progress and returns their source."""


def choose(config: Config) -> Opening:
    """Return what opens the source that ``config`` names.

    Raises:
        ConfigError: A library that it needs is not installed, or the file of ``augment.albumentations`` is wrong.
    """
    match config.data.loader:
        case "resident":
            return _resident
        case "dali":
            from cifar_core.data import dali

            dali.require()
            return _dali
        case "workers":
            return partial(_workers, config, _transforms(config))


def _transforms(config: Config) -> Transforms | None:
    if config.augment.albumentations is None:
        return None
    from cifar_core.data import transforms

    return transforms.read(config.augment.albumentations, config.training.seed)


def _resident(train: Images, device: torch.device) -> Generator[Preparing, None, Source]:
    yield from ()
    return resident.Resident(train, device)


def _dali(train: Images, device: torch.device) -> Generator[Preparing, None, Source]:
    from cifar_core.data import dali

    yield from ()
    return dali.Dali(train, device)


def _workers(
    config: Config, transforms: Transforms | None, train: Images, device: torch.device
) -> Generator[Preparing, None, Source]:
    from cifar_core.data import worker_count, workers

    count = config.data.workers
    if count is None:
        open_with = partial(workers.Workers, train, device, transforms)
        count = yield from worker_count.fastest(open_with, resident.block_size(config.training.batch_size))
    return workers.Workers(train, device, transforms, count)
