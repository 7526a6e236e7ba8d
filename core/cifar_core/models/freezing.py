"""Parts of a network that a training leaves as they are."""

from __future__ import annotations

from types import MethodType

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cifar_core.config import Model
from cifar_core.errors import ConfigError
from cifar_core.models.patterns import required


def freeze(network: nn.Module, config: Model) -> None:
    """Freeze what ``config.freeze``, ``config.train_only`` and ``config.freeze_norm`` say; in place.

    A frozen parameter requires no gradient. So it gets none, and an optimizer that is made of the parameters that
    do has no state for it. One that requires none to begin with stays so, whatever the patterns say.

    Raises:
        ConfigError: A pattern fits no parameter, nothing is left to train, or there is no batch normalisation.
    """
    names = [name for name, _ in network.named_parameters()]
    frozen = {name for pattern in config.freeze for name in required("model.freeze", pattern, names)}
    if config.train_only:
        frozen = set(names).difference(*(required("model.train_only", pattern, names) for pattern in config.train_only))
    for name, parameter in network.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError(f"model.{'train_only' if config.train_only else 'freeze'}: leaves nothing to train")
    if config.freeze_norm:
        _freeze_norm(network, config.name)


def _freeze_norm(network: nn.Module, name: str) -> None:
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        raise ConfigError(f"model.freeze_norm: {name} has no batch normalisation")
    for layer in layers:
        layer.eval()
        # Whoever puts the whole network in training mode comes by here. A method of the layer, so that a copy of
        # the network has one of its own.
        layer.train = MethodType(_as_it_is, layer)  # type: ignore[method-assign]


def _as_it_is(layer: nn.Module, mode: bool = True) -> nn.Module:  # noqa: ARG001, as torch has it
    return layer
