"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from cifar_core.config import Model
from cifar_core.models import notes
from cifar_core.models.init import initialise
from cifar_core.models.resnet import resnet18

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet-notes": notes.lenet,
    "lenet-notes-bn": notes.lenet_bn,
    "conv3-notes": notes.conv3,
    "resnet18": resnet18,
}
"""Each takes the number of classes, and ``dropout`` where the configuration allows it."""


def build(config: Model, classes: int) -> nn.Module:
    """Return the network, on the CPU and in training mode; weights come from torch's global generator."""
    options = {"dropout": config.dropout} if config.dropout else {}
    model = MODELS[config.name](classes, **options)
    initialise(model, config.init)
    return model
