"""How large a network is, and which images it takes: told without computing anything."""

from __future__ import annotations

import copy
from itertools import chain

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def multiply_adds(model: nn.Module) -> int:
    """Return the multiply-adds of convolutions and matrix products in the forward pass of one 3 x 32 x 32 image.

    It is that of evaluation, without auxiliary classifiers. The model stays as it is.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _without_numbers(model)(torch.empty(1, 3, 32, 32, device="meta"))
    return int(counter.get_total_flops()) // 2


def takes(model: nn.Module, side: int) -> bool:
    """Whether the forward pass of one 3 x ``side`` x ``side`` image gets through; the model stays as it is."""
    try:
        with torch.no_grad():
            _without_numbers(model)(torch.empty(1, 3, side, side, device="meta"))
    except Exception:  # noqa: BLE001, a library's network refuses images in whatever way it likes
        return False
    return True


def _without_numbers(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose tensors have shapes alone: it takes no memory and passes shapes on."""
    tensors = chain(model.parameters(), model.buffers())
    shapes: dict[int, object] = {id(tensor): tensor.detach().to("meta") for tensor in tensors}
    return copy.deepcopy(model, shapes).eval()
