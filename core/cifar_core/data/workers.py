"""Training images from processes beside the training: for what is done image by image, or where a GPU is too small.

Workers are forked from a server, a process of one thread that has torch imported already: to fork a training, which
has threads and perhaps a GPU, is not safe, and to start each worker from nothing takes three seconds. The server is
there from the first such training of a process on, and ends with it.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cifar_core.data.dataset import Images
from cifar_core.data.transforms import Transforms
from cifar_core.errors import CifarError, TrainingError, printable

UNHEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
"""Signals that reach all processes of a terminal or of a batch job. What they mean is for the training to decide,
which needs its workers until it has saved."""

Place = tuple[int, npt.NDArray[np.int64]]
"""A block: epoch, and indices of its training images."""


class Blocks(Dataset[Tensor | CifarError]):
    """Blocks of training images, as any process can make them: gathered and, one by one, transformed."""

    def __init__(self, images: Tensor, transforms: Transforms | None) -> None:
        self._images = images
        self._transforms = transforms

    def __getitem__(self, place: Place) -> Tensor | CifarError:
        """Return the images of a block, uint8 N x 3 x 32 x 32; or an error, since torch would make a page of it."""
        epoch, indices = place
        images = self._images.index_select(0, torch.from_numpy(indices))
        if self._transforms is None:
            return images
        try:
            return self._transforms(images, indices, epoch)
        except CifarError as error:
            return error


class Workers:
    """The source of ``data.loader = "workers"``: torch's ``DataLoader``, with so many processes or none.

    Which process makes a block, and when, changes nothing of it. The images move to memory that all processes share.
    """

    def __init__(self, train: Images, device: torch.device, transforms: Transforms | None, count: int) -> None:
        self.train = Images(train.images, train.labels.to(device))
        self.place = {} if transforms is None else {"augment.albumentations": transforms.fingerprint}
        self.count = count
        self._device = device
        self._places: list[Place] = []
        self._receiving: Any = None
        parallel: dict[str, Any] = {
            "multiprocessing_context": "forkserver",
            "persistent_workers": True,
            "worker_init_fn": _begin,
        }
        self._loader: DataLoader[Tensor | CifarError] = DataLoader(
            Blocks(train.images, transforms),
            batch_size=None,  # a block is more than a batch already
            sampler=self._places,
            num_workers=count,
            pin_memory=device.type == "cuda",
            # It draws a seed for each worker; from torch's own generator that would move all that is drawn after it.
            generator=torch.Generator(),
            **(parallel if count else {}),
        )
        if count:
            # Now, since it takes seconds, in which the model can be built.
            _start_server([__name__] if transforms is None else [__name__, "albumentations"])

    def blocks(self, epoch: int, order: Tensor, size: int, first: int) -> Iterator[Tensor]:
        """Yield the blocks of ``order``, as ``sources.Source`` says.

        Raises:
            ConfigError: The transforms of ``augment.albumentations`` cannot be done.
            TrainingError: A process ended, or there is not enough memory to share.
        """
        self._places[:] = [(epoch, indices.numpy()) for indices in order.cpu().split(size)[first:]]
        if self._device.type == "cuda":
            yield from _sent_ahead(self._received(), self._device)
        else:
            for block in self._received():
                yield block.to(self._device)

    def close(self) -> None:
        """End the processes."""
        atexit.unregister(self.close)
        if self.count and self._receiving is not None:
            # torch itself ends them when the last reference goes, which a traceback may keep for long.
            self._receiving._shutdown_workers()  # noqa: SLF001
        self._receiving = None

    def _received(self) -> Iterator[Tensor]:
        try:
            if self.count and self._receiving is None:
                # For a process that ends while its training thread, which nobody waits for, still trains.
                atexit.register(self.close)
            self._receiving = iter(self._loader)
            for block in self._receiving:
                if isinstance(block, CifarError):
                    raise block
                yield block
        except (RuntimeError, OSError, EOFError) as error:
            if not self.count:
                raise
            # A process ended, which torch may say or the way to its memory; or there is not enough memory to share.
            first_line, _, _ = str(error).partition("\n")
            raise TrainingError(
                f"data.loader=workers: {printable(first_line) or 'a process ended'}; "
                "data.workers=0 needs no other process"
            ) from error


def _sent_ahead(blocks: Iterator[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Yield the blocks, which lie in pinned memory, on the GPU; the next is copied while one is trained on."""
    beside = torch.cuda.Stream(device)

    def sent() -> Tensor | None:
        block = next(blocks, None)
        with torch.cuda.stream(beside):
            return None if block is None else block.to(device, non_blocking=True)

    ahead = sent()
    while (block := ahead) is not None:
        training = torch.cuda.current_stream(device)
        training.wait_stream(beside)
        # Its memory belongs to the other stream, which may reuse it only when the training is done with it.
        block.record_stream(training)
        ahead = sent()
        yield block


def _start_server(preloaded: list[str]) -> None:
    """Start the process that workers are forked from, unless it runs already.

    It inherits which signals are blocked in the thread that starts it, and workers inherit that from it.
    """
    forkserver.set_forkserver_preload(preloaded)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)
    try:
        resource_tracker.ensure_running()  # which unblocks some of them in this thread
        signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _begin(_number: int) -> None:
    """The first act of each worker."""
    threading.Thread(target=_end_with_training, daemon=True).start()


def _end_with_training() -> None:
    """End when the training's process does, however that ends.

    torch's own workers look at their parent; that is the server here, which in its turn waits for them to end.
    """
    training = multiprocessing.parent_process()
    if training is not None:
        training.join()
        os._exit(1)
