"""Which parameters an optimizer treats alike, and what it remembers of each when they are grouped anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from cifar_core.config import AnyOptimizer, Muon
from cifar_core.config.patterns import split_number
from cifar_core.errors import ConfigError
from cifar_core.models.patterns import required

EMBEDDINGS = frozenset(
    {"cls_token", "class_token", "pos_embed", "pos_embedding", "relative_position_bias_table", "layer_scale"}
)
"""Last parts of the names of parameters that have several dimensions and multiply nothing, here and in torchvision."""

_TRAINED = "what is trained"

# What schedulefree counts in its groups, beside their options.
_COUNTED = ("k", "weight_sum", "lr_max")


@dataclass(frozen=True, slots=True)
class Kind:
    """What the parameters of one group have in common."""

    decayed: bool
    """Whether weight decay acts on them."""
    lr_factor: float
    """What their base learning rate is, of that of others."""
    lr_epochs: float | None
    """The first epochs, in which alone they are trained; None for all."""
    orthogonal: bool
    """Whether Muon makes their steps orthogonal."""


def grouped(config: AnyOptimizer, model: nn.Module) -> dict[Kind, list[tuple[str, nn.Parameter]]]:
    """Return the parameters that require a gradient, with their names, by kind; each kind in the model's order.

    Raises:
        ConfigError: A pattern matches none of them, or all of them are trained in the first epochs only.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = tuple(trained)
    factors = _numbers("optimizer.lr_factors", config.lr_factors, names)
    epochs = _numbers("optimizer.lr_epochs", config.lr_epochs, names)
    if trained and len(epochs) == len(trained):
        raise ConfigError("optimizer.lr_epochs: must leave parameters that are trained to the end")
    weights = _weights(model)
    orthogonal = _orthogonal(config, names, weights) if isinstance(config, Muon) else set[str]()
    groups: dict[Kind, list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in trained.items():
        decayed = config.decayed == "all" or name in weights
        kind = Kind(decayed, factors.get(name, 1.0), epochs.get(name), name in orthogonal)
        groups.setdefault(kind, []).append((name, parameter))
    return groups


def carried_over(then: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return what an optimizer remembers, in the groups and with the options of another one of its kind.

    Args:
        then: The ``state_dict`` of the one that remembers.
        now: That of the other. What is new in it starts without a memory.
    """
    places = {
        name: place
        for group in then["param_groups"]
        for name, place in zip(group["param_names"], group["params"], strict=True)
    }
    counted = {key: value for key, value in then["param_groups"][0].items() if key in _COUNTED}
    memory = {
        place: then["state"][places[name]]
        for group in now["param_groups"]
        for name, place in zip(group["param_names"], group["params"], strict=True)
        if places.get(name) in then["state"]
    }
    return {"state": memory, "param_groups": [group | counted for group in now["param_groups"]]}


def _weights(model: nn.Module) -> list[str]:
    """Return the names of matrices and convolutions, in order: all but biases, normalisation and embeddings.

    Those of timm say themselves what else they have that should not decay.
    """
    told = {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if callable(tell := getattr(module, "no_weight_decay", None))
        for name in tell()
    }
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and name not in told and name.rpartition(".")[2] not in EMBEDDINGS
    ]


def _orthogonal(config: Muon, trained: Sequence[str], weights: Sequence[str]) -> set[str]:
    """Return the names of what Muon makes orthogonal steps of: the weights but the last, which classifies.

    That is the network's last one, trained or not.
    """
    rest = {name for pattern in config.rest for name in required("optimizer.rest", pattern, trained, _TRAINED)}
    return set(weights[:-1]).intersection(trained) - rest


def _numbers(key: str, texts: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Return the number that the first pattern that fits a name gives it."""
    numbers: dict[str, float] = {}
    for text in texts:
        pattern, number = split_number(text)
        for name in required(key, pattern, names, _TRAINED):
            numbers.setdefault(name, number)
    return numbers
