"""torchvision's networks for classification, fitted to 32 x 32 images."""

from __future__ import annotations

import contextlib
import difflib
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from cifar_core.config import Model
from cifar_core.errors import ConfigError
from cifar_core.models.auxiliary import WithAuxiliary
from cifar_core.models.catalog import find
from cifar_core.models.size import takes
from cifar_core.models.stems import stem_of
from cifar_core.models.upscale import upscale

_AUXILIARY = MappingProxyType({"googlenet": 0.3, "inception_v3": 0.4})
"""What the losses of further classifiers count: Szegedy et al., arXiv 1409.4842, section 5; and for the third
version https://docs.pytorch.org/tutorials/beginner/finetuning_torchvision_models_tutorial.html."""

_USUAL_SIDE = 224
"""What nearly all of them are made for, and so a network that is newer than the catalogue."""


def build_native(config: Model, classes: int) -> nn.Module:
    """Return the network as torchvision has it, for images of its own size; weights for that can be loaded now.

    In training mode those with auxiliary classifiers return ``WithAuxiliary``.

    Raises:
        ConfigError: torchvision has no such network, or it cannot be made for images of ``config.size``.
    """
    from torchvision import models

    name = config.name.partition(":")[2]
    require(name)
    options: dict[str, Any] = {"num_classes": classes}
    if name in _AUXILIARY:
        options["init_weights"] = True  # as the papers start; a warning asks to say so
    if name.startswith("vit"):
        options["image_size"] = enlarged_side(config)
    elif name.startswith("maxvit"):
        options["input_size"] = (enlarged_side(config),) * 2
    # RegNet computes its widths with tensors, and on the meta device those have no values.
    device = torch.get_default_device()
    with torch.device("cpu") if name.startswith("regnet") else contextlib.nullcontext():
        try:
            network: nn.Module = models.get_model(name, weights=None, **options)
        except (AssertionError, ValueError):  # how those that are made for one size refuse it
            raise ConfigError(_refused(config)) from None
    if name in _AUXILIARY:
        network.register_forward_hook(partial(_with_auxiliary, share=_AUXILIARY[name]))
    return network.to(device)


def require(name: str) -> None:
    """Raise ConfigError if torchvision has no network for classification that it calls ``name``."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, 1)
        hint = f"; did you mean torchvision:{near[0]}?" if near else ""
        raise ConfigError(f"model.name: torchvision has no network for classification called {name}{hint}")


def fit(network: nn.Module, config: Model) -> None:
    """Make what ``build_native`` returned take 32 x 32 images, in the way of ``config.fit``; in place.

    Layers and weights keep their names; see ``stems`` for which weights change their shapes.

    Raises:
        ConfigError: It has no stem for such images, or takes none of the size that they are to be enlarged to.
    """
    if config.fit == "upscale":
        if not takes(network, enlarged_side(config)):
            raise ConfigError(_refused(config))
        upscale(network, enlarged_side(config))
    elif (stem := stem_of(config.name.partition(":")[2])) is not None:
        stem(network)
    elif not takes(network, 32):
        own = enlarged_side(config)
        raise ConfigError(
            f"model.name: {config.name} cannot take 32 x 32 images and has no stem for them; "
            f"model.fit=upscale enlarges them to its own {own} x {own}"
        )


def enlarged_side(config: Model) -> int:
    """Return what ``fit="upscale"`` enlarges to, in pixels: ``config.size``, else what its weights were made for."""
    if config.size is not None:
        return config.size
    entry = find(config.name)
    if entry is None:
        return _USUAL_SIDE
    weights = entry.published(config.weights)
    return entry.side if weights is None else weights.side


def _with_auxiliary(_: nn.Module, __: tuple[Tensor], outputs: Any, *, share: float) -> WithAuxiliary | None:  # noqa: ANN401
    """Return in this project's form what the network returns in training mode; in evaluation it stays as it is."""
    if isinstance(outputs, Tensor):
        return None
    logits, *others = outputs
    return WithAuxiliary(logits, tuple(others), share)


def _refused(config: Model) -> str:
    side, own = enlarged_side(config), enlarged_side(config.model_copy(update={"size": None}))
    return f"model.size: {config.name} cannot take {side} x {side} images; its own are {own} x {own}"
