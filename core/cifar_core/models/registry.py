"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from torch import nn

from cifar_core.config import Model
from cifar_core.models import airbench, names, notes
from cifar_core.models.densenet import densenet_bc
from cifar_core.models.freezing import freeze
from cifar_core.models.init import initialise
from cifar_core.models.preact import preact_resnet18
from cifar_core.models.resnet import resnet18
from cifar_core.models.resnet9 import resnet9
from cifar_core.models.resnext import resnext29
from cifar_core.models.vit import vit
from cifar_core.models.weights import Weights
from cifar_core.models.wide import wide_resnet

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet-notes": notes.lenet,
    "lenet-notes-bn": notes.lenet_bn,
    "conv3-notes": notes.conv3,
    "resnet9": resnet9,
    "resnet18": resnet18,
    "preact-resnet18": preact_resnet18,
    "vit-cifar": vit,
    "airbench94": airbench.airbench94,
    "airbench95": airbench.airbench95,
    "airbench96": airbench.airbench96,
}
"""Each takes the number of classes, and ``dropout`` and ``dropout_kind`` where the configuration allows them."""

FAMILIES: dict[str, Callable[..., nn.Module]] = {
    "wrn": wide_resnet,
    "resnext29": resnext29,
    "densenet": densenet_bc,
}
"""By what ``names.family_of`` calls them. Each takes the numbers in its name, and then the same."""


def build(config: Model, classes: int, weights: Weights | None = None) -> nn.Module:
    """Return the network, on the CPU and in training mode; weights are drawn from torch's global generator.

    Args:
        config: Which network, and which of its parameters are frozen.
        classes: How many logits.
        weights: What to start from instead, where it fits.

    Raises:
        ConfigError: There is no such network, it cannot take 32 x 32 images as ``config`` says, or a pattern of what is
            to be frozen fits nothing.
    """
    zoo = _zoo(config)
    model = _own(config, classes) if zoo is None else zoo.build_native(config, classes)
    if weights is not None:
        weights.load_into(model)
    if zoo is not None:
        zoo.fit(model, config)
    initialise(model, config.init)
    if weights is not None:  # what was saved of a fitted network fits now
        weights.load_into(model)
    freeze(model, config)
    return model


def _zoo(config: Model) -> ModuleType | None:
    """Return the module that makes a library's network, which it imports; None for a network of this project's own."""
    match names.library_of(config.name):
        case "torchvision", _:
            from cifar_core.models import torchvision_zoo

            return torchvision_zoo
        case "timm", _:
            from cifar_core.models import timm_zoo

            return timm_zoo
    return None


def _own(config: Model, classes: int) -> nn.Module:
    options = {"dropout": config.dropout, "dropout_kind": config.dropout_kind} if config.dropout else {}
    family = names.family_of(config.name)
    if family is None:
        return MODELS[config.name](classes, **options)
    first, numbers = family
    return FAMILIES[first](*numbers, classes, **options)
