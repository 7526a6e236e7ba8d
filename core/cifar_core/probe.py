"""A short measurement of what a step of a configuration costs on this machine. Imports torch, which takes seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch

from cifar_core import trainer
from cifar_core.config import Config, Constant, Data, Model, Muon
from cifar_core.control import AnyRequest, Control, Request
from cifar_core.data import availability
from cifar_core.data.synthetic import CLASSES, TRAIN_IMAGES
from cifar_core.estimate import Probe
from cifar_core.events import RunStarted, StepCompleted
from cifar_core.models import names, size
from cifar_core.models import registry as models

__all__ = ["Probe", "probe"]

NEVER = 1_000_000
"""Epochs, steps and minutes beyond the end of any measurement."""


def probe(config: Config, control: Control, seconds: float = 1.0) -> Probe | None:
    """Make steps as ``config`` says, on drawn images, and return what they cost; None if none was completed.

    The images stay on the device: what another loader costs is left out, and what only that can do to them.

    It is the engine's own loop, without evaluations and checkpoints, with a learning rate that changes next to
    nothing, so that nothing diverges. A batch beyond the 10,000 drawn images is reckoned from one of these. The
    network has ten outputs where only the files tell how many classes there are.

    Blocks its thread. Torch's generators, threads and choice of kernels are afterwards what they were; in between
    they are not, so no training should run in this process meanwhile.

    Args:
        config: The experiment.
        control: Ends it before its next step from any thread, by ``close`` or ``stop``; other requests wait.
        seconds: After so many no further step is begun, but at least two steps are made if the first one was
            completed within them, and else one.

    Raises:
        CifarError: As ``trainer.run`` does: the device is not there, memory ran out.
    """
    watch = _Stopwatch(control, seconds)
    device = ""
    with _left_as_it_was():
        with contextlib.closing(trainer.run(_endless(config), watch)) as events:
            for event in events:
                if isinstance(event, RunStarted):
                    device = event.device
                    watch.start()
                elif isinstance(event, StepCompleted):
                    watch.reported(event.step)
        parameters, multiply_adds = _size(config)
    if watch.steps == 0:
        return None
    # A batch is never larger than the images there are.
    share = max(1.0, config.training.batch_size / TRAIN_IMAGES)
    return Probe(device, parameters, multiply_adds, watch.seconds_per_step * share)


class _Stopwatch(Control):
    """Measures steps, and ends them when the time is up or another control asks for the end.

    The trainer looks at ``pending`` before every step, and waits for all steps made and reports them before it
    ``take``s what is pending. So the first step, which also pays for caches and the choice of kernels, is reported
    by itself, and the last report comes when the last step is done, on a device that works behind the host too.
    """

    def __init__(self, other: Control, seconds: float) -> None:
        super().__init__()
        self.steps = 0
        self._other = other
        self._seconds = seconds
        self._began = self._first = self._last = 0.0

    def start(self) -> None:
        """The first step comes next."""
        self._began = time.perf_counter()

    def reported(self, step: int) -> None:
        """All steps up to ``step`` are done."""
        self._last = time.perf_counter()
        if self.steps == 0:
            self._first = self._last
        self.steps = step

    @property
    def seconds_per_step(self) -> float:
        # The mean, not the median: images are prepared for many small batches at a time, in one of the steps.
        if self.steps == 1:
            return self._first - self._began
        return (self._last - self._first) / (self.steps - 1)

    @property
    def ending(self) -> Request | None:
        return self._other.ending

    @property
    def pending(self) -> bool:
        return self.steps == 0 or self._is_over

    def take(self, *, wait: bool = False) -> AnyRequest | None:  # noqa: ARG002, nothing is ever waited for
        return Request.CLOSE if self._is_over else None

    @property
    def _is_over(self) -> bool:
        if self._other.ending is not None:
            return True
        return self.steps > 0 and time.perf_counter() - self._began >= self._seconds


def _endless(config: Config) -> Config:
    """The same steps on drawn images, without anything between them and without an end."""
    batch = config.training.batch_size
    # Whole batches alone, so that all steps are alike.
    limit = TRAIN_IMAGES // batch * batch or None
    loop = {"epochs": NEVER, "max_steps": None, "evaluate_every": NEVER**2}
    saving = {"checkpoint_every": 0, "checkpoint_minutes": float(NEVER)}
    rates = {"lr": 1e-12} | ({"rest_lr": 1e-12, "rest_decay": 0.0} if isinstance(config.optimizer, Muon) else {})
    return config.model_copy(
        update={
            "data": Data(kind="synthetic", limit=limit),
            "optimizer": config.optimizer.model_copy(update=rates),
            "schedule": Constant(),
            "model": _drawn(config.model),
            "training": config.training.model_copy(update={**loop, **saving}),
        }
    )


def _drawn(config: Model) -> Model:
    """The same network with drawn weights, for which nothing is downloaded, on images of the same size."""
    size = config.size
    if config.fit == "upscale" and (names.library_of(config.name) or ("",))[0] == "torchvision":
        from cifar_core.models import torchvision_zoo

        size = torchvision_zoo.enlarged_side(config)  # the weights may be for larger ones than the network's own
    return config.model_copy(update={"weights": None, "size": size})


def _size(config: Config) -> tuple[int, int]:
    """Trainable parameters and multiply-adds of the network with as many outputs as there are classes."""
    with torch.device("meta"):
        classes = len(config.data.classes) or availability.CLASSES.get(config.data.kind, len(CLASSES))
        model = models.build(config.model, classes)
    return size.parameters(model), size.multiply_adds(model)


@contextlib.contextmanager
def _left_as_it_was() -> Iterator[None]:
    """Put back afterwards what a training changes for its whole process."""
    seed, state, threads = torch.initial_seed(), torch.get_rng_state(), torch.get_num_threads()
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    on_mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        torch.set_rng_state(state)
        if on_gpus is None:
            # GPUs that were not in use yet would have started from the seed of the process.
            torch.cuda.manual_seed_all(seed)
        else:
            torch.cuda.set_rng_state_all(on_gpus)
        if on_mps is not None:
            torch.mps.set_rng_state(on_mps)
        torch.set_num_threads(threads)
        if torch.is_deterministic_algorithms_warn_only_enabled() != warn_only:
            torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled(), warn_only=warn_only)
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # for other processes
