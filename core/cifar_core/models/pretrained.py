"""Weights that libraries publish for their networks: which there are, what images they are for, and their tensors.

The libraries keep what was downloaded where they always do: torchvision's in ``checkpoints`` below
``torch.hub.get_dir()``, timm's in the cache of the Hugging Face hub.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cifar_core.config import Model
from cifar_core.config.section import Rgb
from cifar_core.errors import ConfigError, DataError, printable
from cifar_core.events import Preparing
from cifar_core.models import timm_zoo, torchvision_zoo, weights_file
from cifar_core.models.names import library_of
from cifar_core.wording import shown

# Their weights were trained on images normalised by these, and torchvision's own networks undo the usual
# normalisation when they are made with weights (transform_input). To normalise so to begin with is the same.
_HALVES = ("googlenet", "inception_v3")


@dataclass(frozen=True, slots=True)
class Pretrained:
    """One set of weights of a library."""

    library: str
    network: str
    """Both as the configuration has them."""
    name: str
    """Of the weights, DEFAULT resolved."""
    mean: Rgb
    std: Rgb
    """By which images were normalised that they were trained on, of values from 0 to 1."""
    address: str
    """Where they are published."""

    @property
    def source(self) -> str:
        """What they are called."""
        return f"{self.library}:{self.network} {self.name}"


def find(config: Model) -> Pretrained | None:
    """Return the weights of a library that ``model.weights`` names; None where it names a file, or nothing.

    Raises:
        ConfigError: It names neither, or the library is not installed or has no such network.
    """
    if config.weights is None or config.weights_path is not None:
        return None
    library = library_of(config.name)
    known = _known(*library) if library is not None else {}
    if config.weights not in known:
        there = f"has the weights {', '.join(known)}" if known else "has no published weights"
        raise ConfigError(
            f"model.weights: {config.name} {there}, not {shown(config.weights)}; "
            "what is a file or a run needs a path, such as ./run"
        )
    return known[config.weights]


def normalisation(config: Model) -> tuple[Rgb, Rgb] | None:
    """Return mean and standard deviation of the images that a library's weights expect; None where none are used."""
    found = find(config)
    return None if found is None else (found.mean, found.std)


def fetch(pretrained: Pretrained, config: Model) -> Generator[Preparing, None, dict[str, Tensor]]:
    """Return the tensors by name, of the shapes that they have in the network before it is fitted.

    Raises:
        DataError: They cannot be downloaded or read.
    """
    if pretrained.library == "torchvision":
        return (yield from _fetch_torchvision(pretrained))
    return (yield from _fetch_timm(pretrained, config))


def _known(library: str, network: str) -> dict[str, Pretrained]:
    """Return the weights that a library has for a network by name, DEFAULT first.

    Raises:
        ConfigError: It has no such network, or is not installed.
    """
    return _known_to_torchvision(network) if library == "torchvision" else _known_to_timm(network)


def _known_to_torchvision(network: str) -> dict[str, Pretrained]:
    from torchvision import models

    torchvision_zoo.require(network)
    known = {}
    # The names of an enumeration's members include those that stand for another one, such as DEFAULT.
    for name, weights in models.get_model_weights(network).__members__.items():
        look = weights.transforms()
        mean, std = ((0.5,) * 3, (0.5,) * 3) if network in _HALVES else (tuple(look.mean), tuple(look.std))
        known[name] = Pretrained("torchvision", network, weights.name, mean, std, weights.url)
    return {"DEFAULT": known["DEFAULT"], **known}


def _fetch_torchvision(pretrained: Pretrained) -> Generator[Preparing, None, dict[str, Tensor]]:
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(pretrained.address).name
    if not path.exists():
        yield _downloading(path.name)
        # The first digits of a file's SHA-256 are the end of its name: resnet18-f37072fd.pth.
        digits = path.stem.rpartition("-")[2]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(pretrained.address, str(path), digits, progress=False)
        except (OSError, RuntimeError) as error:
            raise _unreachable(pretrained, f"put it in {printable(path.parent)}", error) from error
    return weights_file.read(path)


def _known_to_timm(network: str) -> dict[str, Pretrained]:
    timm = timm_zoo.imported()
    base, _, tag = network.partition(".")
    timm_zoo.require(base)
    known = {}
    for name in timm.list_pretrained(f"{base}.*"):
        facts = timm.get_pretrained_cfg(name)
        address = f"https://huggingface.co/{facts.hf_hub_id}" if facts.hf_hub_id else str(facts.url)
        known[facts.tag] = Pretrained("timm", base, facts.tag, facts.mean, facts.std, address)
    default = tag or (timm.get_pretrained_cfg(base).tag if known else "")
    return {"DEFAULT": known[default], **known} if default in known else known


def _fetch_timm(pretrained: Pretrained, config: Model) -> Generator[Preparing, None, dict[str, Tensor]]:
    yield _downloading(pretrained.source)
    name = f"timm:{pretrained.network}.{pretrained.name}"
    options = timm_zoo.options(config)
    try:
        try:
            # timm itself brings position embeddings to the number of patches that they are for here.
            network = timm_zoo.create(name, pretrained=True, **options)
        except RuntimeError:
            # What it cannot bring, a mixer's layers over patches say, is of another shape than here.
            network = timm_zoo.create(name, pretrained=True)
    except Exception as error:  # it reads from a network and from files, by one of several libraries
        raise _unreachable(pretrained, "name a copy of the file there by its path in model.weights", error) from error
    return network.state_dict()


def _downloading(subject: str) -> Preparing:
    return Preparing(time=time.time(), phase="download", subject=subject)


def _unreachable(pretrained: Pretrained, otherwise: str, error: Exception) -> DataError:
    reason, _, _ = printable(getattr(error, "reason", None) or error).partition("\n")
    return DataError(
        f"model.weights: {pretrained.source} could not be downloaded from {pretrained.address} ({reason[:100]}): "
        f"check the network, or {otherwise}"
    )
