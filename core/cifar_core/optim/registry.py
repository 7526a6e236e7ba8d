"""The optimizers by their configuration."""

from __future__ import annotations

from torch import nn, optim

from cifar_core.config import Adam, AdamW, Sgd


def build(config: Sgd | Adam | AdamW, model: nn.Module) -> optim.Optimizer:
    """Return the optimizer of all parameters that require a gradient, at the base learning rate.

    Raises:
        ValueError: if none does.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    match config:
        case Sgd():
            return optim.SGD(
                trainable,
                lr=config.lr,
                momentum=config.momentum,
                nesterov=config.nesterov,
                weight_decay=config.weight_decay,
            )
        case Adam():
            return optim.Adam(
                trainable, lr=config.lr, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay
            )
        case AdamW():
            return optim.AdamW(
                trainable, lr=config.lr, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay
            )
