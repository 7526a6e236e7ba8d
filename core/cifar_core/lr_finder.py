"""The learning-rate range test: a short training at a rate that rises (Smith, arXiv 1506.01186, section 3.3)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator

from cifar_core import trainer
from cifar_core.config import Config, Constant
from cifar_core.control import AnyRequest, ChangeLearningRate, Control, Request
from cifar_core.events import Preparing, RunStarted, StepCompleted

LEAST_STEPS, MOST_STEPS = 200, 3000
IMAGES = 50_000
"""That are worked through, within these steps: small batches have noisy losses, and networks take their time."""

DECADES = 3
"""Of the rate to either side of the configured one."""

TIMES_THE_BEST = 4.0
LAG = 0.1
"""Decades of the rate over which the loss is averaged, to tell whether it is beyond all bounds."""

_NEVER = 1_000_000


def steps_for(config: Config) -> int:
    """Return how many steps a test makes unless another number is asked for."""
    return min(max(IMAGES // config.training.batch_size, LEAST_STEPS), MOST_STEPS)


def range_for(config: Config) -> tuple[float, float]:
    """Return the lowest and the highest rate of a test unless others are asked for."""
    return config.optimizer.lr / 10**DECADES, config.optimizer.lr * 10**DECADES


def range_test(
    config: Config, *, low: float, high: float, steps: int
) -> Generator[Preparing | RunStarted | StepCompleted, None, None]:
    """Train from the beginning with a rate that rises from ``low`` to ``high``; yield what is prepared and every step.

    It is the engine's own loop on the configured training images; nothing is evaluated and nothing is saved. Each
    step's loss is that of before the step. The end comes early where a loss is not finite, which the last step's
    then is not, or where losses exceed both four times the lowest and the first ones. Blocks its thread; closing the
    iterator ends it.

    Args:
        config: The experiment. Its own rate, schedule and averages do not matter, rates in proportion to it do.
        low: The first rate, above 0.
        high: The last one, above ``low``.
        steps: At least 2.

    Raises:
        CifarError: As ``trainer.run`` does.
    """
    rising = _Rising(low, high, steps)
    with contextlib.closing(trainer.run(_bare(config), rising)) as events:
        for event in events:
            if isinstance(event, Preparing | RunStarted):
                yield event
            elif isinstance(event, StepCompleted):
                rising.reported(event)
                yield event


class _Rising(Control):
    """Asks for another rate before each step, and for the end.

    The trainer looks at ``pending`` before every step, and reports all steps made before it ``take``s what is pending.
    """

    def __init__(self, low: float, high: float, steps: int) -> None:
        super().__init__()
        self._low = low
        self._decades = math.log10(high / low)
        self._steps = steps
        self._made = 0
        self._asked = False
        self._share = min(1.0, self._decades / (LAG * (steps - 1)))
        """Of a new loss in the mean."""
        self._mean = self._lowest = self._first = math.nan

    def reported(self, step: StepCompleted) -> None:
        """A step was made."""
        self._made = step.step
        loss = math.nan if step.loss is None else step.loss
        if self._made == 1:
            self._mean = self._lowest = self._first = loss
        self._mean += self._share * (loss - self._mean)
        self._lowest = min(self._lowest, self._mean)

    @property
    def pending(self) -> bool:
        return True

    def take(self, *, wait: bool = False) -> AnyRequest | None:  # noqa: ARG002, nothing is ever waited for
        if self._made >= self._steps or self._mean > max(TIMES_THE_BEST * self._lowest, self._first):
            return Request.CLOSE
        self._asked = not self._asked
        rate = self._low * 10 ** (self._decades * self._made / (self._steps - 1))
        return ChangeLearningRate(rate) if self._asked else None


def _bare(config: Config) -> Config:
    """The same steps, with nothing between them, without an end and at one rate."""
    loop = {"epochs": _NEVER, "max_steps": None, "evaluate_every": _NEVER**2, "patience": None, "average": "none"}
    return config.model_copy(
        update={
            "optimizer": config.optimizer.model_copy(update={"lr_epochs": ()}),
            "schedule": Constant(),
            "training": config.training.model_copy(update=loop),
        }
    )
