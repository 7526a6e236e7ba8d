"""timm's networks, fitted to 32 x 32 images: without their first two halvings, as ``stems`` has it.

They are too many for a rule each, so the halvings are looked for: an image without numbers is passed through the
network, and the layers that make half of its 32 x 32 or less are made to keep its size. A network that must know the
size of its images is built for four times 32, and behind these layers sees what it was built for. Patches that are
wider than 4 pixels become 4 wide, so that there are 8 x 8 of them. All this depends on a network's name, never on
its weights; its layers keep timm's names.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from cifar_core.config import Model
from cifar_core.errors import ConfigError
from cifar_core.models.names import library_of
from cifar_core.models.size import takes
from cifar_core.models.stems import narrow
from cifar_core.models.upscale import upscale

_SIDE = 32
_PATCH = 4
"""Pixels of a side: of an image, and of the patches of one."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of one layer."""

    path: str
    kernel: int
    """Of a convolution; 0 for a pooling, which is left out."""
    stride: int


@dataclass(frozen=True, slots=True)
class _Fitting:
    """How one network is made to take 32 x 32 images."""

    built_for: int
    """Pixels of a side, where it is built for images of one size."""
    changes: tuple[_Change, ...]


def imported() -> ModuleType:
    """Return timm.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ConfigError('model.name: timm is not installed; pip install "cifar-tui[timm]"') from None
    return timm


def build_native(config: Model, classes: int) -> nn.Module:
    """Return the network as timm has it; weights for that can be loaded now.

    Raises:
        ConfigError: timm is not installed, it has no such network, or that cannot be fitted as ``config`` says.
    """
    return create(config.name, num_classes=classes, **options(config))


def options(config: Model) -> dict[str, Any]:
    """Return what timm is to be told of the images that the network will see.

    Raises:
        ConfigError: As ``build_native``.
    """
    side = enlarged_side(config) if config.fit == "upscale" else _fitting(config.name).built_for
    return _img_size(_without_numbers(config.name), side)


def fit(network: nn.Module, config: Model) -> None:
    """Make what ``build_native`` returned take 32 x 32 images, in the way of ``config.fit``; in place.

    Raises:
        ConfigError: It takes no images of the size that they are to be enlarged to.
    """
    if config.fit == "upscale":
        side = enlarged_side(config)
        if not takes(network, side):
            own = _own_side(network)
            raise ConfigError(
                f"model.size: {config.name} cannot take {side} x {side} images; its own are {own} x {own}"
            )
        upscale(network, side)
        return
    fitting = _fitting(config.name)
    _expect(network, fitting.built_for)
    for change in fitting.changes:
        _apply(network, change)


def enlarged_side(config: Model) -> int:
    """Return what ``fit="upscale"`` enlarges to, in pixels: ``config.size``, else what the network was made for."""
    return config.size or _own_side(_without_numbers(config.name))


def create(name: str, **options: Any) -> nn.Module:  # noqa: ANN401, as timm has it
    """Return what a configuration calls ``timm:NAME``, which may end in a tag: ``timm:resnet18.a1_in1k``.

    Raises:
        ConfigError: timm is not installed or has nothing of this name.
    """
    timm = imported()
    _, there = library_of(name) or ("timm", name)
    base, _, tag = there.partition(".")
    require(base)
    if tag and there not in timm.list_pretrained(f"{base}.*"):
        raise ConfigError(f"model.name: timm has no weights called {tag} for {base}; model.weights names them, too")
    network: nn.Module = timm.create_model(there, **options)
    return network


def require(base: str) -> None:
    """Raise ConfigError if timm is not installed or has no network that it calls ``base``, which has no tag."""
    timm = imported()
    if not timm.is_model(base):
        near = difflib.get_close_matches(base.lower(), timm.list_models(), 1)
        hint = f"; did you mean timm:{near[0]}?" if near else ""
        raise ConfigError(f"model.name: timm has no network called {base}{hint}")


@cache
def _fitting(name: str) -> _Fitting:
    """Find out how what a configuration calls ``name`` is made to take 32 x 32 images.

    Raises:
        ConfigError: It cannot be.
    """
    own = _without_numbers(name)
    first = _first_convolution(own)
    stride = 1 if first is None else first.stride[0]
    has_patches = first is not None and first.kernel_size == first.stride and stride > _PATCH
    # What keeps the size at first has no halving to spare: without two it would cost as much as at 128 x 128.
    for halvings in (2, 1, 0) if stride > 1 else (0,):
        side = _SIDE // _PATCH * stride if has_patches and halvings else _SIDE * 2**halvings
        network = _without_numbers(name, **_img_size(own, side))
        _expect(network, side)
        changes = tuple(_leave_out(network, halvings))
        if takes(network, _SIDE):
            return _Fitting(side, changes)
    raise ConfigError(
        f"model.name: {name} cannot take 32 x 32 images and can be given no stem for them; "
        f"model.fit=upscale enlarges them to its own {_own_side(own)} x {_own_side(own)}"
    )


def _without_numbers(name: str, **options: Any) -> nn.Module:  # noqa: ANN401
    """Return a network whose tensors have shapes alone, in evaluation mode."""
    with torch.device("meta"):
        return create(name, **options).eval()


def _img_size(network: nn.Module, side: int) -> dict[str, Any]:
    """Return the option by which such a network is built for images of this size; none where it has none."""
    return {"img_size": side} if "img_size" in inspect.signature(type(network)).parameters else {}


def _own_side(network: nn.Module) -> int:
    """Return the size that its weights were made for."""
    side: int = _facts(network)["input_size"][-1]
    return side


def _facts(network: nn.Module) -> dict[str, Any]:
    """Return what timm knows of a network and its weights."""
    facts: Any = network.pretrained_cfg
    return dict(facts)


def _first_convolution(network: nn.Module) -> nn.Conv2d | None:
    path = _facts(network).get("first_conv")
    layer = network.get_submodule(path if isinstance(path, str) else path[0]) if path else None
    return layer if isinstance(layer, nn.Conv2d) else None


def _expect(network: nn.Module, side: int) -> None:
    """Let layers that refuse all images but those of ``side`` x ``side`` expect 32 x 32."""
    for layer in network.modules():
        if getattr(layer, "img_size", None) == (side, side):
            layer.__dict__["img_size"] = (_SIDE, _SIDE)


def _leave_out(network: nn.Module, halvings: int) -> Iterator[_Change]:
    """Make a network without numbers do without so many of its first halvings; yield each change."""
    is_first = True
    while halvings > 0 and (found := _halving(network)):
        for path in found:
            change = _changed(path, network.get_submodule(path), is_first=is_first)
            _apply(network, change)
            yield change
        halvings -= round(math.log2(max(found.values())))
        is_first = False


def _halving(network: nn.Module) -> dict[str, float]:
    """Return the convolutions and poolings that make half of about 32 x 32 or less, and how many times less."""
    found: dict[str, float] = {}

    def look(_: nn.Module, inputs: tuple[Any, ...], outputs: Any, *, path: str) -> None:  # noqa: ANN401
        before, after = (
            each.shape[-1] if isinstance(each, Tensor) and each.ndim == 4 else 0 for each in (inputs[0], outputs)
        )
        if before > _SIDE * 3 / 4 and 0 < after <= before / 2 + 1:
            found[path] = before / after

    hooks = [
        layer.register_forward_hook(partial(look, path=path))
        for path, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) or (hasattr(layer, "stride") and not any(True for _ in layer.parameters()))
    ]
    takes(network, _SIDE)  # on its way an image passes by all hooks that it reaches
    for hook in hooks:
        hook.remove()
    return found


def _changed(path: str, layer: nn.Module, *, is_first: bool) -> _Change:
    if not isinstance(layer, nn.Conv2d):
        return _Change(path, kernel=0, stride=1)
    kernel = layer.kernel_size[0]
    if layer.kernel_size == layer.stride and kernel > _PATCH:
        return _Change(path, kernel=_PATCH, stride=_PATCH)
    # A first kernel is 3 wide at most, as in ``stems``; but timm's NFNets scale by the width that one was made with.
    if is_first and not hasattr(layer, "scale"):
        kernel = min(kernel, 3)
    return _Change(path, kernel=kernel - (kernel % 2 == 0), stride=1)  # none of even width keeps an image's size


def _apply(network: nn.Module, change: _Change) -> None:
    layer = network.get_submodule(change.path)
    if not isinstance(layer, nn.Conv2d):
        network.set_submodule(change.path, nn.Identity())
        return
    narrow(layer, change.kernel)
    layer.stride = (change.stride, change.stride)
    if change.stride == 1:
        layer.padding = (change.kernel // 2, change.kernel // 2)
