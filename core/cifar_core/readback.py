"""Figures of single steps, brought from the device by the block so that no step waits for its own report."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cifar_core.events import StepCompleted

# A screen shows a few frames a second; ten blocks a second look live and cost next to nothing.
BLOCK_SECONDS = 0.1
BLOCK_STEPS = 512


Fact = tuple[int, int, float, float]
"""What is known at once of a step: epoch, step, learning rate, time."""


@dataclass(slots=True)
class _Open:
    """Successive steps of one batch size, whose figures are still where they were made."""

    images: int
    """In each step's batch."""
    since: float
    facts: list[Fact] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sent:
    """The same steps, with their figures on the way to the host."""

    images: int
    facts: list[Fact]
    figures: Tensor
    """Rows: losses, accuracies and, if asked for, gradient norms."""
    copied: torch.cuda.Event | None
    """Passed once ``figures`` may be read; None where it may be at once."""


def finite(value: float) -> float | None:
    """Return ``value``, or None in place of NaN and infinity, which JSON cannot hold."""
    return value if math.isfinite(value) else None


class Readback:
    """Turns the steps of a training into ``StepCompleted`` events, all of them, in order.

    On a GPU a block's figures are copied to pinned memory behind the steps that made them, and are
    read while the next block is under way: the host stays ahead of the device, by two blocks at most.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._open: _Open | None = None
        self._sent: deque[_Sent] = deque()

    def add(
        self, epoch: int, step: int, rate: float, loss: Tensor, logits: Tensor, targets: Tensor, norm: Tensor | None
    ) -> None:
        """Take in one step: loss (scalar), logits (N x C), targets and gradient norm (scalar), detached.

        Targets are labels (N) or, where these are mixed, each class's share (N x C): then the largest counts as right.
        """
        block = self._open
        if block is None or block.images != len(targets):
            self._send()
            block = self._open = _Open(len(targets), time.perf_counter())
        block.facts.append((epoch, step, rate, time.time()))
        block.losses.append(loss)
        block.logits.append(logits)
        block.targets.append(targets)
        if norm is not None:
            block.norms.append(norm)
        if len(block.facts) >= BLOCK_STEPS or time.perf_counter() - block.since >= BLOCK_SECONDS:
            self._send()

    @property
    def waiting(self) -> bool:
        """Whether a block is on its way to the host; cheap enough to ask after every step."""
        return bool(self._sent)

    def ready(self) -> Iterator[tuple[StepCompleted, int]]:
        """Yield (event, images in its batch) of each step whose figures can be read without waiting long."""
        while self._sent and (len(self._sent) > 1 or self._sent[0].copied is None or self._sent[0].copied.query()):
            yield from self._read(self._sent.popleft())

    def drain(self) -> Iterator[tuple[StepCompleted, int]]:
        """Yield the same for every step taken in so far, waiting for the device."""
        self._send()
        while self._sent:
            yield from self._read(self._sent.popleft())

    def _send(self) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        predictions = torch.stack(block.logits).argmax(2)
        targets = torch.stack(block.targets)
        labels = targets.argmax(2) if targets.is_floating_point() else targets
        accuracies = predictions.eq(labels).float().mean(1)
        rows = [torch.stack(block.losses).float(), accuracies]
        if block.norms:
            rows.append(torch.stack(block.norms).float())
        figures = torch.stack(rows).to("cpu", non_blocking=True)
        self._sent.append(_Sent(block.images, block.facts, figures, self._mark()))

    def _mark(self) -> torch.cuda.Event | None:
        """An event behind all work given to the device so far, so that the host need not wait for it now."""
        if self._device.type == "cuda":
            mark = torch.cuda.Event()
            mark.record()
            return mark
        if self._device.type == "mps":
            torch.mps.synchronize()
        return None

    @staticmethod
    def _read(block: _Sent) -> Iterator[tuple[StepCompleted, int]]:
        if block.copied is not None:
            block.copied.synchronize()
        losses, accuracies, *norms = block.figures.tolist()
        for place, (epoch, step, rate, when) in enumerate(block.facts):
            event = StepCompleted(
                time=when,
                epoch=epoch,
                step=step,
                loss=finite(losses[place]),
                accuracy=accuracies[place],
                learning_rate=rate,
                gradient_norm=finite(norms[0][place]) if norms else None,
            )
            yield event, block.images
