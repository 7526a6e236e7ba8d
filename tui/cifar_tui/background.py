"""What is prepared while the user chooses: torch is imported, the images are looked at, the speed is measured."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cifar_core.control import Control
from cifar_core.errors import CifarError, printable
from cifar_core.events import Preparing, Warned

if TYPE_CHECKING:
    from torch import Tensor

    from cifar_core.config import Config, Data
    from cifar_core.data.availability import Availability
    from cifar_core.data.dataset import Dataset
    from cifar_core.probe import Probe

    Known = tuple[Tensor, tuple[str, ...], int]
    """Labels of all training images, the classes, and how many test images there are."""

_PATIENCE_SECONDS = 0.4
"""How long a choice must stand before anything is measured for it: whoever walks through a list is not held up."""


_NO_MATTER = {"epochs": 1, "max_steps": None, "seed": 0, "evaluate_every": None, "patience": None}
"""What the cost of a step does not depend on."""
_UNDIVIDED = {"limit": None, "validation": 0.0, "folds": None, "imbalance": 1.0, "label_noise": 0.0}
"""What does not change the files that are read."""

Sizes = tuple[int, int, int]
"""Images to train on, held out and to test on."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far the preparation for one choice has come; what is not known yet is None."""

    torch: str | None = None
    """Its version, once it is imported."""
    device: str | None = None
    """What a training would run on, in words."""
    data: Availability | None = None
    preparing: Preparing | None = None
    """How far a download or a decoding is."""
    images: tuple[int, int] | None = None
    """Training images, those held out not among them, and images of one evaluation of each kind."""
    steps: int | None = None
    probe: Probe | None = None
    seconds: float | None = None
    """That the whole training would take."""
    error: str | None = None
    """A printable sentence: why there will be no more of it."""


class Background:
    """Prepares for the newest wish, in one thread; whoever shows it asks for ``readiness`` when ``version`` changes."""

    def __init__(self) -> None:
        self.version = 0
        self.readiness = Readiness()
        self._wish: tuple[Config, bool] | None = None
        self._changed = threading.Condition()
        self._number = 0
        """Of the newest wish."""
        self._held = 0
        self._idle = True
        self._control: Control | None = None
        self._probes: dict[str, Probe] = {}
        self._read: dict[str, Known] = {}
        """Of the data sets that were read, which need not be read again."""
        self._thread = threading.Thread(target=self._work, name="cifar-background", daemon=True)

    def start(self) -> None:
        """Begin; to be called once the first frame is on the screen."""
        self._thread.start()

    def wish(self, config: Config, *, download: bool = False) -> None:
        """Prepare for this choice, and for no other one; images are only downloaded if it says so."""
        with self._changed:
            if self._wish is None or config != self._wish[0]:
                # What is known of another choice would be taken for this one's.
                self._show(Readiness(torch=self.readiness.torch, device=self.readiness.device))
            self._wish = config, download
            self._give_up()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Use torch for nothing as long as the context lasts: a training repeats exactly only while it runs alone."""
        with self._changed:
            self._held += 1
            self._give_up()
            self._changed.wait_for(lambda: self._idle)
        try:
            yield
        finally:
            with self._changed:
                self._held -= 1
                self._give_up()

    def _give_up(self) -> None:
        """End what is being prepared, and look what is to be next."""
        self._number += 1
        if self._control is not None:
            self._control.close()
        self._changed.notify_all()

    def _work(self) -> None:
        number = -1
        while True:
            with self._changed:
                self._idle = True
                self._changed.notify_all()
                number, (config, download) = self._next(number)
                self._idle = False
                control = self._control = Control()
            try:
                self._prepare(config, control, download)
            except CifarError as error:
                self._tell(control, error=printable(error), preparing=None)
            except BaseException as error:  # noqa: BLE001, told where the estimate would be; the training may do better
                self._tell(control, error=f"{type(error).__name__}: {printable(error)}", preparing=None)

    def _next(self, done: int) -> tuple[int, tuple[Config, bool]]:
        """Wait for a wish that is not ``done`` and has stood for a moment."""
        while True:
            number = self._number
            self._changed.wait(_PATIENCE_SECONDS if number != done and self._wish and not self._held else None)
            if self._wish is not None and not self._held and done != number == self._number:
                return number, self._wish

    def _prepare(self, config: Config, control: Control, download: bool) -> None:
        self._tell(control, images=None, steps=None, probe=None, seconds=None, error=None, preparing=None)
        from cifar_core.data.availability import availability

        there = availability(config.data)
        self._tell(control, data=there)
        if self.readiness.torch is None:
            import torch

            import cifar_core.trainer  # noqa: F401, so that a training need not

            self._tell(control, torch=str(torch.__version__))
        from cifar_core import device
        from cifar_core.estimate import estimated_seconds, total_steps
        from cifar_core.probe import probe

        self._tell(control, device=device.described(device.choose(config.training.device)))
        sizes = _sizes(config.data, there)
        if (there.there or download) and control.ending is None:
            sizes = self._read_images(config, control)
            if download:
                self._tell(control, data=availability(config.data))
        if sizes is None or control.ending is not None:
            return
        train, val, test = sizes
        self._tell(control, images=(train, val or test), steps=total_steps(config, train))
        key = repr((config.model, config.augment, config.optimizer, config.training.model_copy(update=_NO_MATTER)))
        if key not in self._probes:
            measured = probe(config, control)
            if measured is None:
                return
            self._probes[key] = measured
        measured = self._probes[key]
        self._tell(control, probe=measured, seconds=estimated_seconds(config, measured, train, test, val))

    def _read_images(self, config: Config, control: Control) -> Sizes | None:
        """Have the images ready on disk and in the system's memory; return how many are to be used for what."""
        from cifar_core.data.load import load
        from cifar_core.data.splits import divide

        whole: Data = config.data.model_copy(update=_UNDIVIDED)
        key = repr(whole)
        if key not in self._read:
            with closing(load(whole, config.training.seed)) as reading:
                known = self._driven(reading, control)
            if known is None:
                return None
            self._read[key] = known
        self._tell(control, preparing=None)
        labels, classes, test = self._read[key]
        train, val = divide(labels, config.data, classes, config.training.seed)
        return len(train), 0 if val is None else len(val), test

    def _driven(self, reading: Generator[Preparing | Warned, None, Dataset], control: Control) -> Known | None:
        while control.ending is None:
            try:
                event = next(reading)
            except StopIteration as done:
                dataset: Dataset = done.value
                return dataset.train.labels, dataset.classes, len(dataset.test)
            if isinstance(event, Preparing):
                self._tell(control, preparing=event)
        return None

    def _tell(self, control: Control, **changes: object) -> None:
        """Show what was found out, unless it is for a choice that was given up meanwhile."""
        with self._changed:
            if control.ending is None:
                self._show(replace(self.readiness, **changes))  # type: ignore[arg-type]

    def _show(self, readiness: Readiness) -> None:
        self.readiness = readiness
        self.version += 1


def _sizes(config: Data, there: Availability) -> Sizes | None:
    """Return how many images are to be used for what; None where only their files tell."""
    from cifar_core.data.availability import CLASSES
    from cifar_core.estimate import split_sizes

    if there.images is None:
        return None
    train, test = there.images
    classes = len(config.classes) or CLASSES[config.kind]
    sizes = split_sizes(config, [train // classes] * classes)
    return None if sizes is None else (*sizes, test)
