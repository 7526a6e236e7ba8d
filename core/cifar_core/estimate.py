"""How many steps a configuration makes, and about how long they take; pure arithmetic, before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cifar_core.config import Config, Data
from cifar_core.data import quotas

PASSES = 3
"""What an image costs in a step, in forward passes: a backward pass costs two."""
VIEWS = {"none": 1, "flip": 2, "flip-shift": 6}
"""Forward passes of an image in evaluation."""


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


def split_sizes(config: Data, sizes: Sequence[int]) -> tuple[int, int] | None:
    """Return how many images are trained on and how many held out, as ``splits.divide`` does it.

    The numbers are exact. Where either is 0 and images were to be held out, ``splits.divide`` refuses.

    Args:
        config: The ``data`` section.
        sizes: Of the chosen classes, how many training images there are.

    Returns:
        None where an imbalance keeps shares of what is left of each class after a draw: then only the draw tells.
    """
    if config.limit is not None and config.limit < sum(sizes):
        sizes = quotas.in_proportion(sizes, config.limit)
    total = sum(sizes)
    held_out = int(config.validation * total + 0.5)
    if config.folds is not None:
        held_out = total // config.folds + (config.fold <= total % config.folds)
    if config.imbalance == 1:
        return total - held_out, held_out
    if config.folds is not None or (held_out and not config.stratified):
        return None
    left = [size - out for size, out in zip(sizes, quotas.in_proportion(sizes, held_out), strict=True)]
    return sum(quotas.long_tail(left, config.imbalance)), held_out


def steps_per_epoch(config: Config, train_images: int) -> int:
    """Return the number of optimizer steps in one pass over ``train_images``.

    The last one may be of fewer images than the others, unless ``training.drop_last`` leaves it out.
    """
    training = config.training
    if training.drop_last and train_images > training.batch_size:
        return train_images // training.batch_size
    return math.ceil(train_images / training.batch_size)


def total_steps(config: Config, train_images: int) -> int:
    """Return the number of optimizer steps of a whole training on ``train_images``."""
    steps = config.training.epochs * steps_per_epoch(config, train_images)
    return min(steps, config.training.max_steps or steps)


def estimated_seconds(config: Config, probe: Probe, train_images: int, test_images: int, held_out: int = 0) -> float:
    """Return about how many seconds a whole training takes, its evaluations included.

    Every image is taken to cost the same, in a smaller last batch too, and a third of that in evaluation: a forward
    pass alone, or as many as ``augment.test_time`` has views; with ``optimizer.sam`` a step has twice the passes. Left
    out is what comes before the first step, checkpoints, extra test sets, and an early end for want of patience.

    Args:
        config: The experiment.
        probe: What a step of it costs.
        train_images: Trained on, so without those held out.
        test_images: Evaluated on after the last step and, where none are held out, whenever evaluation is due.
        held_out: Validation images.
    """
    training = config.training
    steps, per_epoch = total_steps(config, train_images), steps_per_epoch(config, train_images)
    if steps == 0:
        return 0.0
    epochs, rest = divmod(steps, per_epoch)
    seen = min(per_epoch * training.batch_size, train_images)
    trained = epochs * seen + min(rest * training.batch_size, seen)
    every = training.evaluate_every
    evaluations = steps // every if every else math.ceil(steps / per_epoch)
    if held_out:
        evaluated = evaluations * held_out + test_images
    else:
        # The last evaluation is the final one, if it was made after the last step.
        final = every is not None and steps % every != 0
        evaluated = (evaluations + final) * test_images
    passes = PASSES * (2 if config.optimizer.sam else 1)
    forward = VIEWS[config.augment.test_time] / passes
    return probe.seconds_per_step / training.batch_size * (trained + evaluated * forward)
