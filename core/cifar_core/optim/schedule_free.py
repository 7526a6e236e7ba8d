"""Schedule-free AdamW (Defazio et al., arXiv 2405.15682), by its authors' library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from torch import optim

from cifar_core.errors import ConfigError


def build(groups: Iterable[dict[str, Any]], *, betas: tuple[float, float], eps: float) -> optim.Optimizer:
    """Return the optimizer, ready for its first step.

    The weights between two steps are then those at which gradients are taken, not the average that counts; see
    ``averaging.ScheduleFree``.

    Raises:
        ConfigError: The library is not installed.
    """
    try:
        from schedulefree import AdamWScheduleFree
    except ImportError:
        raise ConfigError(
            "optimizer.name: schedule-free-adamw needs the package schedulefree; "
            'pip install "cifar-tui[schedule-free]" brings it'
        ) from None
    # Its own warm-up is left out: the schedule's has the same steps, and it averages by the rates that it is given.
    optimizer = AdamWScheduleFree(groups, betas=betas, eps=eps)
    optimizer.train()
    return cast(optim.Optimizer, optimizer)
