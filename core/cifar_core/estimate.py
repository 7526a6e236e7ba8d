"""How many steps a configuration makes, and about how long they take; pure arithmetic, before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cifar_core.config import Config, Data

EVALUATED = 1 / 3
"""What an image costs in evaluation, of its cost in training: a forward pass alone; the backward pass costs two."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one configuration costs on one machine."""

    device: str
    """As ``RunStarted`` says."""
    parameters: int
    """Trainable ones."""
    multiply_adds: int
    """Of one image's forward pass."""
    seconds_per_step: float
    """Of a whole batch."""


def split_sizes(config: Data, train: int) -> tuple[int, int]:
    """Return how many of ``train`` images are trained on and how many held out, after limit and validation.

    The numbers are exact, since no class's share changes them. Where either is 0 and images were to be held out,
    ``splits.hold_out`` refuses.
    """
    total = train if config.limit is None else min(config.limit, train)
    held_out = int(config.validation * total + 0.5)
    return total - held_out, held_out


def steps_per_epoch(config: Config, train_images: int) -> int:
    """Return the number of optimizer steps in one pass over ``train_images``, the last of which may be smaller."""
    return math.ceil(train_images / config.training.batch_size)


def total_steps(config: Config, train_images: int) -> int:
    """Return the number of optimizer steps of a whole training on ``train_images``."""
    steps = config.training.epochs * steps_per_epoch(config, train_images)
    return min(steps, config.training.max_steps or steps)


def estimated_seconds(config: Config, probe: Probe, train_images: int, test_images: int) -> float:
    """Return about how many seconds a whole training takes, its evaluations included.

    Every image is taken to cost the same, in a smaller last batch too, and a third of that in evaluation. Left out
    is what comes before the first step, checkpoints, and an early end for want of patience.

    Args:
        config: The experiment.
        probe: What a step of it costs.
        train_images: Trained on, so without those held out; these are reckoned from their share.
        test_images: Evaluated on after the last step and, where none are held out, whenever evaluation is due.
    """
    training, share = config.training, config.data.validation
    steps, per_epoch = total_steps(config, train_images), steps_per_epoch(config, train_images)
    if steps == 0:
        return 0.0
    epochs, rest = divmod(steps, per_epoch)
    trained = epochs * train_images + min(rest * training.batch_size, train_images)
    every = training.evaluate_every
    evaluations = steps // every if every else math.ceil(steps / per_epoch)
    if share:
        evaluated = evaluations * round(train_images * share / (1 - share)) + test_images
    else:
        # The last evaluation is the final one, if it was made after the last step.
        final = every is not None and steps % every != 0
        evaluated = (evaluations + final) * test_images
    return probe.seconds_per_step / training.batch_size * (trained + evaluated * EVALUATED)
