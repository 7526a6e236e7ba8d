"""Everything that one training needs before its first step: images on the device, model, optimizer."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_core import augment, device, estimate
from cifar_core.augment import Augmentation
from cifar_core.config import Augment, Config
from cifar_core.data import sources
from cifar_core.data.dataset import Images
from cifar_core.data.load import load
from cifar_core.data.resident import shuffled, to_device
from cifar_core.data.sources import Source
from cifar_core.epoch import Progress
from cifar_core.events import AnyEvent, RunStarted
from cifar_core.learner import Learner
from cifar_core.models import pretrained, size, weights, whitening
from cifar_core.optim import schedules
from cifar_core.randomness import derived_seed

# As torch chose for this process, before any training changed it.
_THREADS = torch.get_num_threads()

SAMPLE_IMAGES = 5000
SAMPLE_BATCH = 500


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One training, ready for its first step."""

    config: Config
    device: torch.device
    classes: tuple[str, ...]
    source: Source
    """Where the training images of each step come from; to be closed."""
    val: Images | None
    test: Images
    extra: Mapping[str, Images]
    """Extra test sets by name, still on the CPU: each is looked at once."""
    augmentation: Augmentation
    learner: Learner
    steps_per_epoch: int
    total_steps: int

    @property
    def train(self) -> Images:
        """The training images wherever their source keeps them, perhaps in host memory; labels on the device."""
        return self.source.train

    def augment(self, epoch: int, images: Tensor, labels: Tensor, indices: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Images (uint8 N x 3 x 32 x 32) as the model is to see them in training, float32, and their targets.

        Every block draws by a seed of its own, so its augmentation depends on its place alone.
        """
        training = self.config.training
        images, targets = self.augmentation(
            images,
            labels,
            indices,
            epoch=epoch,
            seed=derived_seed(training.seed, "augment", epoch, block),
            batch_size=training.batch_size,
        )
        return self._laid_out(images), targets

    def normalise(self, images: Tensor) -> Tensor:
        """Images (uint8 N x 3 x 32 x 32) as the model is to see them in evaluation, float32."""
        return self._laid_out(self.augmentation.normalise(images))

    def schedule(self, step: int, epochs: float | None = None) -> float:
        """What the base learning rate is multiplied by in ``step``, counted from 0.

        It is another one for parameters that are trained in the first ``epochs`` only.
        """
        return schedules.factor(
            self.config.schedule,
            step,
            total_steps=self.total_steps,
            steps_per_epoch=self.steps_per_epoch,
            epochs=epochs,
        )

    def sample(self) -> Iterator[Tensor]:
        """Yield up to 5,000 training images, always the same, as the model sees images in evaluation, in batches."""
        seed = derived_seed(self.config.training.seed, "sample")
        chosen = shuffled(len(self.train), seed, self.train.images.device)[:SAMPLE_IMAGES]
        # Of nearly one size: each counts as much as another, and none is a single image.
        for indices in chosen.chunk(math.ceil(len(chosen) / SAMPLE_BATCH)):
            yield self.normalise(self.train.images[indices].to(self.device))

    def _laid_out(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.learner.memory_format)

    def place(self) -> dict[str, str]:
        """What the last bits of the steps depend on besides the configuration, each with its name."""
        return {**device.place(self.device), **self.source.place}

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


def prepare(config: Config, *, resumed: bool = False) -> Generator[AnyEvent, None, Prepared]:
    """Load the images, build the model; yield progress and return what the trainer needs.

    Args:
        config: The experiment.
        resumed: A checkpoint will replace all weights, so that ``model.weights`` are not looked for.

    Raises:
        ConfigError: The device is not there, or what the loader needs is missing or wrong.
        DataError: The images are missing, unreadable or fail their checksum.
    """
    training = config.training
    where = device.choose(training.device)
    if where.type == "cuda":
        torch.cuda.set_device(where)  # of this thread: streams and events are the current device's
    torch.set_num_threads(training.threads or _THREADS)
    open_source = sources.choose(config)  # before images are downloaded, since a library may be missing
    start = None if resumed else (yield from weights.read(config.model))
    dataset = yield from load(config.data, training.seed)
    learner = Learner(config, len(dataset.classes), where, start)
    if start is not None:
        yield start.report(learner.model)
    source = yield from open_source(dataset.train, where)
    augmentation = augment.prepare(
        _normalised(config),
        source.train.images,
        derived_seed(training.seed, "flips"),
        classes=len(dataset.classes),
        device=where,
    )
    has_filters = resumed or (start is not None and start.gave("whiten.weight"))
    if whitening.needs_whitening(learner.model) and not has_filters:
        every = max(1, len(source.train) // whitening.IMAGES)  # of all classes: a folder's images are in their order
        seen = source.train.images[::every][: whitening.IMAGES].to(where)
        whitening.whiten(learner.model, augmentation.normalise(seen))
    return Prepared(
        config=config,
        device=where,
        classes=dataset.classes,
        source=source,
        val=to_device(dataset.val, where) if dataset.val is not None else None,
        test=to_device(dataset.test, where),
        extra=dataset.extra,
        augmentation=augmentation,
        learner=learner,
        steps_per_epoch=estimate.steps_per_epoch(config, len(source.train)),
        total_steps=estimate.total_steps(config, len(source.train)),
    )


def _normalised(config: Config) -> Augment:
    """Return what is done to images, by default normalised as the weights that the network starts from expect."""
    found = pretrained.normalisation(config.model)
    if found is None:
        return config.augment
    mean, std = found
    return config.augment.model_copy(update={"mean": config.augment.mean or mean, "std": config.augment.std or std})
