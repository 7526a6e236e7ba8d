"""Lookahead: after every few steps, back half of the way (Zhang et al., arXiv 1907.08610, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

SHARE = 0.5
"""Of the way that is gone for good."""


class Lookahead:
    """Slow weights that follow the optimizer's fast ones, and set them back to where they are.

    Args:
        parameters: The fast ones; where they are now is where the slow ones begin.
        every: Steps from one meeting to the next, at least 1.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], every: int) -> None:
        self._fast = [parameter.detach() for parameter in parameters]
        self._every = every
        self.restart()

    def restart(self) -> None:
        """Begin anew where the fast weights are now."""
        self._slow = [fast.clone() for fast in self._fast]
        self._steps = 0

    def after_step(self) -> None:
        """Take note of a step of the optimizer, whose memory stays as it is."""
        self._steps += 1
        if self._steps % self._every == 0:
            torch._foreach_lerp_(self._slow, self._fast, SHARE)
            torch._foreach_copy_(self._fast, self._slow)

    def state_dict(self) -> dict[str, Any]:
        """Everything of it that a checkpoint holds; tensors are its own, not copies."""
        return {"slow": self._slow, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make it what it was when ``state_dict`` returned ``state``."""
        torch._foreach_copy_(self._slow, state["slow"])
        self._steps = state["steps"]
