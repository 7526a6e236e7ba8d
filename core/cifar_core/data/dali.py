"""Training images through NVIDIA DALI, which gathers them in host memory and copies them to a GPU ahead of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cifar_core.data.dataset import Images
from cifar_core.errors import ConfigError

AHEAD = 2
"""Blocks on their way."""


def require() -> None:
    """Make sure that DALI can be used.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import nvidia.dali  # noqa: F401
    except ImportError as error:
        raise ConfigError('data.loader: DALI is not installed; pip install "cifar-tui[dali]"') from error


class Dali:
    """The source of ``data.loader = "dali"``: images in host memory, blocks of them by a pipeline of DALI."""

    def __init__(self, train: Images, device: torch.device) -> None:
        self.train = Images(train.images, train.labels.to(device))
        self.place: dict[str, str] = {}
        self._device = device

    def blocks(self, _epoch: int, order: Tensor, size: int, first: int) -> Iterator[Tensor]:
        """Yield the blocks of ``order``, as ``sources.Source`` says."""
        from nvidia.dali.plugin.pytorch import feed_ndarray

        places = [indices.numpy() for indices in order.cpu().split(size)[first:]]
        on_gpu = self._device.type == "cuda"
        pipeline = _gathering(self.train.images.numpy(), places, self._device.index)
        for indices in places:
            # On the training's own stream, so that nothing has to wait for the GPU.
            stream = torch.cuda.current_stream(self._device) if on_gpu else None
            (output,) = pipeline.run(stream)
            block = torch.empty((len(indices), *self.train.images.shape[1:]), dtype=torch.uint8, device=self._device)
            # A copy, since DALI uses its memory again.
            feed_ndarray(output[0], block, stream)
            yield block

    def close(self) -> None:
        """Nothing but the images is held between two epochs."""


def _gathering(images: npt.NDArray[np.uint8], places: list[npt.NDArray[np.int64]], gpu: int | None) -> Any:  # noqa: ANN401, DALI has no types
    """A pipeline that returns the images at each of ``places``, a block being one sample; on that GPU, if any."""
    from nvidia.dali import Pipeline, fn

    coming = iter(places)
    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=gpu, prefetch_queue_depth=AHEAD)
    with pipeline:
        block = fn.external_source(lambda: images[next(coming)], batch=False, no_copy=True)
        pipeline.set_outputs(block if gpu is None else block.gpu())
    pipeline.build()
    return pipeline
