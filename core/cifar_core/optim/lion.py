"""Lion: steps of one size, by the sign of a momentum (Chen et al., arXiv 2302.06675, algorithm 2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import optim

from cifar_core.optim.momenta import momenta


class Lion(optim.Optimizer):
    """Lion for all parameters.

    Args:
        groups: Each has ``params``, ``lr`` and ``weight_decay``.
        betas: Share of the momentum in a step's direction, and what is left of it after one; both below 1.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float] = (0.9, 0.99)) -> None:
        super().__init__(groups, {"betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # noqa: ARG002
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients, buffers = [parameter.grad for parameter in parameters], momenta(self, parameters)
            in_step, after_step = group["betas"]
            directions = torch._foreach_lerp(buffers, gradients, 1 - in_step)
            torch._foreach_sign_(directions)
            # Decoupled decay, as in AdamW.
            if group["weight_decay"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, directions, alpha=-group["lr"])
            torch._foreach_lerp_(buffers, gradients, 1 - after_step)
