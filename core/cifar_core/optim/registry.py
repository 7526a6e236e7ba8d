"""The optimizers by their configuration."""

from __future__ import annotations

from typing import Any

from torch import nn, optim

from cifar_core.config import Adam, AdamW, AnyOptimizer, Lion, Muon, ScheduleFreeAdamW, Sgd
from cifar_core.optim import lion, muon, schedule_free
from cifar_core.optim.groups import Kind, grouped

# Where torch updates all of a parameter in one pass. Measured on a CPU at batch 4: a whole step takes
# 0.94 (SGD) and 0.81 (AdamW) of the time with torch's default, which makes a pass for each operation.
FUSED_ON = ("cpu", "cuda")


def build(config: AnyOptimizer, model: nn.Module) -> optim.Optimizer:
    """Return the optimizer of all parameters that require a gradient, at their base learning rates.

    Call it after the model was moved to its device, which decides how updates are computed. Each of its groups has,
    besides the options, ``lr_factor`` and ``lr_epochs`` as in ``groups.Kind``.

    Raises:
        ConfigError: A pattern matches no parameter, or a package is not installed.
        ValueError: No parameter requires a gradient.
    """
    groups = [{"params": parameters, **_options(config, kind)} for kind, parameters in grouped(config, model).items()]
    # None: as torch chooses
    fused = all(parameter.device.type in FUSED_ON for group in groups for _, parameter in group["params"]) or None
    match config:
        case Sgd():
            return optim.SGD(groups, momentum=config.momentum, nesterov=config.nesterov, fused=fused)
        case Adam():
            return optim.Adam(groups, betas=config.betas, eps=config.eps, fused=fused)
        case AdamW():
            return optim.AdamW(groups, betas=config.betas, eps=config.eps, fused=fused)
        case Lion():
            return lion.Lion(groups, betas=config.betas)
        case Muon():
            return muon.Muon(groups, fused=fused)
        case ScheduleFreeAdamW():
            return schedule_free.build(groups, betas=config.betas, eps=config.eps)


def _options(config: AnyOptimizer, kind: Kind) -> dict[str, Any]:
    """Return the options of one group of parameters."""
    options = {
        "lr": config.lr * kind.lr_factor,
        "lr_factor": kind.lr_factor,
        "lr_epochs": kind.lr_epochs,
        "weight_decay": config.weight_decay if kind.decayed else 0.0,
    }
    if not isinstance(config, Muon):
        return options
    if kind.orthogonal:
        orthogonal = {"nesterov": config.nesterov, "newton_schulz": config.newton_schulz, "rescaled": config.rescaled}
        return {**options, "orthogonal": True, "momentum": config.momentum, **orthogonal}
    lr = config.rest_lr * kind.lr_factor
    return {
        **options,
        "lr": lr,
        "lr_factor": lr / config.lr,
        "weight_decay": config.rest_decay / lr if kind.decayed and lr else 0.0,
        "orthogonal": False,
        "momentum": config.rest_momentum,
        "nesterov": config.rest_momentum > 0,
    }
