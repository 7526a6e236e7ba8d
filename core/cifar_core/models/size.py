"""How large a network is."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def multiply_adds(model: nn.Module) -> int:
    """Return the multiply-adds of convolutions and matrix products in the forward pass of one 3 x 32 x 32 image.

    Nothing is computed and the model stays as it is: a copy without numbers passes shapes on.
    """
    shapes = copy.deepcopy(model).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, 3, 32, 32, device="meta"))
    return int(counter.get_total_flops()) // 2
