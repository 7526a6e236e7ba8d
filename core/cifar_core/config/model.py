"""The network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cifar_core.config.patterns import split_arrow
from cifar_core.config.section import Section, Share, Text, Texts
from cifar_core.models import names

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
"""What files of weights are called."""


def _known(name: str) -> str:
    if (fault := names.fault(name)) is not None:
        raise ValueError(f"name: {fault}")
    return name


class Model(Section):
    """The network."""

    name: Annotated[str, AfterValidator(_known)] = "lenet-notes"
    """Which network: one of this project's own, torchvision:NAME or timm:NAME."""
    init: Literal["default", "kaiming", "xavier"] = "default"
    """How convolution and linear weights start: as the network does, Kaiming normal or Xavier uniform."""
    dropout: Annotated[tuple[Share, ...], Field(strict=False, max_length=3)] = ()
    """Share that each place for it drops: conv3-notes has three (its linear layers), wrn-* and vit-cifar one."""
    dropout_kind: Literal["dropout", "gaussian", "uniform"] = "dropout"
    """Inputs are set to 0; or multiplied by 1 + normal noise of the same variance; or by 1 + uniform noise (Uout)."""
    fit: Literal["stem", "upscale"] = "stem"
    """How a library's network takes 32 x 32: a stem of stride 1 without early pooling; or enlarged images."""
    size: Annotated[int, Field(ge=32, le=1024)] | None = None
    """Side in pixels that fit=upscale enlarges images to, on the device; by default the network's own."""
    weights: Text | None = None
    """Where the training starts: DEFAULT or another name of a library's weights, or the path of a file or a run."""
    drop_weights: Texts = ()
    """Patterns of what not to load from the weights, such as "fc.*"."""
    rename_weights: Texts = ()
    """Names in the weights' file and here, as "backbone.* -> *"; a leading "module." comes and goes by itself."""
    freeze: Texts = ()
    """Patterns of parameters that stay as they are, such as "stem.*": no gradient, no state in the optimizer."""
    train_only: Texts = ()
    """Patterns of the only parameters that are trained."""
    freeze_norm: bool = False
    """Batch normalisation keeps the means and variances that it starts with."""

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> Model:
        places = names.dropouts(self.name)
        if len(self.dropout) > places:
            has = f"has {places} place{'' if places == 1 else 's'} for it" if places else "has none"
            others = "" if places else "; conv3-notes, wrn-* and vit-cifar have"
            raise ValueError(f"dropout: {self.name} {has}{others}")
        return self

    @model_validator(mode="after")
    def _only_a_librarys_network_is_fitted(self) -> Model:
        if names.library_of(self.name) is None and self.fit != "stem":
            raise ValueError(f"fit: {self.name} is made for 32 x 32 images and needs no {self.fit}")
        if self.size is not None and self.fit != "upscale":
            raise ValueError("size: only fit=upscale has one")
        return self

    @model_validator(mode="after")
    def _weights_agree(self) -> Model:
        if self.weights is not None and self.weights_path is None and names.library_of(self.name) is None:
            raise ValueError(f"weights: {self.name} has none that are published; a file of weights needs a path")
        if self.weights is None:
            for key in ("drop_weights", "rename_weights"):
                if getattr(self, key):
                    raise ValueError(f"{key}: says how to load weights, and model.weights names none")
        elif self.init != "default":
            raise ValueError(f"init: {self.init} draws weights anew, and model.weights loads them")
        for text in self.rename_weights:
            try:
                split_arrow(text)
            except ValueError as error:
                raise ValueError(f"rename_weights: {error}") from None
        if self.freeze and self.train_only:
            raise ValueError("train_only: says all that freeze could say; give one of them")
        return self

    @property
    def weights_path(self) -> Path | None:
        """The path that ``weights`` is, of a file or a folder; None where it is a name: no / in it and no suffix."""
        if self.weights is None or not ("/" in self.weights or self.weights.endswith(SUFFIXES)):
            return None
        return Path(self.weights).expanduser()
