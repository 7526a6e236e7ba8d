"""The momentum that an optimizer of this project keeps of each parameter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, optim


def momenta(optimizer: optim.Optimizer, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return the momentum of each parameter, of its shape and dtype; one that has none yet gets zeros."""
    states = [optimizer.state[parameter] for parameter in parameters]
    for state, parameter in zip(states, parameters, strict=True):
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
    return [state["momentum"] for state in states]
