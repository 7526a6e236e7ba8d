"""Sharpness-aware minimisation: the gradient at the worst point nearby (Foret et al., arXiv 2010.01412)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from cifar_core.optim.batch_norm import untouched


@contextlib.contextmanager
def at_worst_point(model: nn.Module, distance: float) -> Iterator[None]:
    """Move the weights by ``distance`` along their gradients, which are cleared; move them back in the end.

    A gradient computed meanwhile is thus one for the weights of before. Statistics of batch normalisation are not
    touched: they would be those of weights that nobody keeps. Where a gradient is not finite, those computed
    meanwhile are not either, and weights are what they were all the same.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    weights = [parameter.detach() for parameter in parameters]
    before = [weight.clone() for weight in weights]
    scale = distance / (nn.utils.get_total_norm(gradients) + 1e-12)
    torch._foreach_add_(weights, torch._foreach_mul(gradients, scale))
    for parameter in parameters:
        parameter.grad = None
    try:
        with untouched(model):
            yield
    finally:
        torch._foreach_copy_(weights, before)
