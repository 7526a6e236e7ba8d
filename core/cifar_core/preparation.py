"""Everything that one training needs before its first step: images on the device, model, optimizer."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_core import augment, device, estimate
from cifar_core.augment import Augmentation
from cifar_core.config import Config
from cifar_core.data.dataset import Images
from cifar_core.data.load import load
from cifar_core.data.resident import to_device
from cifar_core.epoch import Progress
from cifar_core.events import AnyEvent, RunStarted
from cifar_core.learner import Learner
from cifar_core.models import size
from cifar_core.optim import schedules
from cifar_core.randomness import derived_seed

# As torch chose for this process, before any training changed it.
_THREADS = torch.get_num_threads()


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One training, ready for its first step."""

    config: Config
    device: torch.device
    classes: tuple[str, ...]
    train: Images
    val: Images | None
    test: Images
    augmentation: Augmentation
    learner: Learner
    steps_per_epoch: int
    total_steps: int

    def augment(self, epoch: int, images: Tensor, indices: Tensor, block: int) -> Tensor:
        """Images (uint8 N x 3 x 32 x 32) as the model is to see them in training, float32.

        Every block draws from a generator of its own, so its augmentation depends on its place alone.
        """
        generator = torch.Generator(self.device)
        generator.manual_seed(derived_seed(self.config.training.seed, "augment", epoch, block))
        return self._laid_out(self.augmentation(images, indices, epoch, generator))

    def normalise(self, images: Tensor) -> Tensor:
        """Images (uint8 N x 3 x 32 x 32) as the model is to see them in evaluation, float32."""
        return self._laid_out(self.augmentation.normalise(images))

    def schedule(self, step: int) -> float:
        """What the base learning rate is multiplied by in ``step``, counted from 0."""
        return schedules.factor(
            self.config.schedule, step, total_steps=self.total_steps, steps_per_epoch=self.steps_per_epoch
        )

    def _laid_out(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.learner.memory_format)

    def started(self, run_id: str, progress: Progress) -> RunStarted:
        """The event that describes this training, which has come so far."""
        training, model = self.config.training, self.learner.model
        return RunStarted(
            time=time.time(),
            run_id=run_id,
            experiment=self.config.name,
            model=self.config.model.name,
            parameters=size.parameters(model),
            multiply_adds=size.multiply_adds(model),
            device=device.described(self.device),
            threads=torch.get_num_threads(),
            train_images=len(self.train),
            val_images=len(self.val) if self.val is not None else 0,
            test_images=len(self.test),
            classes=self.classes,
            epochs=math.ceil(self.total_steps / self.steps_per_epoch),
            batch_size=training.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.total_steps,
            resumed_from_step=progress.step,
            resumed_from_checkpoint=progress.checkpoints,
            checkpoint=progress.checkpoint,
            not_repeatable=device.why_not_repeatable(self.device),
        )


def prepare(config: Config) -> Generator[AnyEvent, None, Prepared]:
    """Load the images, build the model; yield progress and return what the trainer needs.

    Raises:
        ConfigError: The device is not there.
        DataError: The images are missing, unreadable or fail their checksum.
    """
    training = config.training
    where = device.choose(training.device)
    if where.type == "cuda":
        torch.cuda.set_device(where)  # of this thread: streams and events are the current device's
    torch.set_num_threads(training.threads or _THREADS)
    dataset = yield from load(config.data, training.seed)
    train = to_device(dataset.train, where)
    return Prepared(
        config=config,
        device=where,
        classes=dataset.classes,
        train=train,
        val=to_device(dataset.val, where) if dataset.val is not None else None,
        test=to_device(dataset.test, where),
        augmentation=augment.prepare(config.augment, train.images, derived_seed(training.seed, "flips")),
        learner=Learner(config, len(dataset.classes), where),
        steps_per_epoch=estimate.steps_per_epoch(config, len(train)),
        total_steps=estimate.total_steps(config, len(train)),
    )
