"""Muon: orthogonal steps for convolutions and matrices, SGD with momentum for the rest.

After https://kellerjordan.github.io/posts/muon/ (Jordan et al.) and KellerJordan/cifar10-airbench, airbench94_muon.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, optim
from torch.optim.sgd import sgd

from cifar_core.optim.momenta import momenta

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic: as steep at 0 as can be, so that few steps do, while singular values stay near 1."""

_LEAST_NORM = 1e-30
"""That a weight is scaled from: what the smallest float32 divides may be infinite, and no zeros would stay zeros."""


def orthogonalised(matrices: Tensor, steps: int) -> Tensor:
    """Return about the nearest (semi-)orthogonal matrix to each: singular values of about 0.7 to 1.2 after 5 steps.

    It is a Newton-Schulz iteration: an odd polynomial of the matrix acts on its singular values alone. On a GPU it
    works in bfloat16, which changes the outcome by less than the iteration itself leaves open.

    Args:
        matrices: float32 of shape (N, rows, columns).
        steps: At least 1.
    """
    a, b, c = _COEFFICIENTS
    # The smaller of the two products with the transpose.
    x = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    # No singular value is above the Frobenius norm.
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    # A CPU may have no bfloat16, and most of a step's time goes elsewhere.
    x = x.bfloat16() if x.is_cuda else x
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x.to(matrices.dtype)
    return x.mT if matrices.shape[-2] > matrices.shape[-1] else x


class Muon(optim.Optimizer):
    """Both kinds of parameters in one optimizer, each group being of one kind.

    Args:
        groups: Each has ``params``, ``lr``, ``momentum``, ``nesterov``, ``weight_decay`` and ``orthogonal``. Where that
            is true, parameters have at least 2 dimensions, weight decay is decoupled, and the group has besides
            ``newton_schulz``, the steps of the iteration, and ``rescaled``, whether weights are scaled to a norm of the
            root of their first dimension before each step. Where it is false, the group is as for ``torch.optim.SGD``.
        fused: As for ``torch.optim.SGD``.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, fused: bool | None = None) -> None:
        super().__init__(groups, {"fused": fused})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # noqa: ARG002
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients = [parameter.grad for parameter in parameters]
            if group["orthogonal"]:
                _orthogonal_step(parameters, gradients, momenta(self, parameters), group)
            else:
                sgd(
                    parameters,
                    gradients,
                    [*momenta(self, parameters)],
                    fused=group["fused"],
                    weight_decay=group["weight_decay"],
                    momentum=group["momentum"],
                    lr=group["lr"],
                    dampening=0.0,
                    nesterov=group["nesterov"],
                    maximize=False,
                )


def _orthogonal_step(
    parameters: list[Tensor], gradients: list[Tensor], buffers: list[Tensor], group: dict[str, Any]
) -> None:
    torch._foreach_mul_(buffers, group["momentum"])
    torch._foreach_add_(buffers, gradients)
    directions = torch._foreach_add(gradients, buffers, alpha=group["momentum"]) if group["nesterov"] else buffers
    if group["rescaled"]:
        _rescale(parameters)
    if group["weight_decay"]:
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
    # Matrices of one shape are worked through together: most are small, and calls cost more than arithmetic.
    for (outputs, inputs), places in _by_shape(parameters).items():
        flat = torch.stack([directions[place].reshape(outputs, inputs) for place in places])
        updates = orthogonalised(flat, group["newton_schulz"]).unbind()
        # The same size for each output, as Jordan's later code has it: more outputs than inputs share fewer columns.
        rate = group["lr"] * math.sqrt(max(1.0, outputs / inputs))
        for place, update in zip(places, updates, strict=True):
            parameters[place].add_(update.view_as(parameters[place]), alpha=-rate)


def _rescale(parameters: list[Tensor]) -> None:
    """Scale each parameter to a norm of the root of its first dimension; zeros stay zeros."""
    norms = torch._foreach_norm(parameters)
    torch._foreach_clamp_min_(norms, _LEAST_NORM)
    torch._foreach_reciprocal_(norms)
    torch._foreach_mul_(norms, [math.sqrt(len(parameter)) for parameter in parameters])
    torch._foreach_mul_(parameters, norms)


def _by_shape(parameters: Sequence[Tensor]) -> dict[tuple[int, int], list[int]]:
    """Return the places of the parameters by their outputs and inputs, once flattened to two dimensions."""
    places: dict[tuple[int, int], list[int]] = {}
    for place, parameter in enumerate(parameters):
        places.setdefault((len(parameter), parameter[0].numel()), []).append(place)
    return places
