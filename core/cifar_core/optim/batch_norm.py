"""The means and variances that batch normalisation keeps of what it has seen: left alone for a while, or made anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Let passes in training mode normalise by their batch as ever, without a trace in the statistics."""
    keeping = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for module in keeping:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in keeping:
            module.track_running_stats = True


def renew(model: nn.Module, images: Iterable[Tensor], like: nn.Module) -> None:
    """Make the statistics of ``model`` those of ``images``, as Izmailov et al. do (arXiv 1803.05407, section 3.2).

    All else is in evaluation mode meanwhile, as it will be when the statistics are used: nothing is dropped out.
    Where there is nothing to make anew, no image is asked for. Every module is afterwards in evaluation mode.

    Args:
        model: Changed in place, in those parts that are in training mode in ``like``.
        images: Batches as the model takes them; each counts the same.
        like: A network of the same modules.
    """
    model.eval()
    pairs = zip(model.modules(), like.modules(), strict=True)
    norms = [norm for norm, its in pairs if isinstance(norm, _BatchNorm) and norm.track_running_stats and its.training]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.no_grad():
        for batch in images:
            model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
