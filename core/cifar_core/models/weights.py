"""Weights of another training as the start of this one: which of its tensors go where, and what becomes of the rest."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from cifar_core.config import Model
from cifar_core.config.patterns import split_arrow
from cifar_core.errors import ConfigError, printable
from cifar_core.events import Names, Preparing, WeightsLoaded
from cifar_core.models import pretrained, weights_file
from cifar_core.models.patterns import examples, renamed, required

T = TypeVar("T")

_MODULE = "module."

_NAMED = 50
"""Names in one list of the event."""
_LONGEST = 120
"""Characters of one of them."""


@dataclass(slots=True, eq=False)
class Weights:
    """Tensors by the names that they are to have in the network.

    They can be loaded more than once into a network that is being changed: what fits before fits best there, and what
    was saved of such a network after it was changed fits only then.
    """

    source: str
    """What they are called."""
    tensors: dict[str, Tensor]
    skipped: list[str] = field(default_factory=list)
    """What was left out of them, by the names in their file."""
    _loaded: set[str] = field(default_factory=set, init=False)

    def load_into(self, network: nn.Module) -> None:
        """Put every tensor in place that is of the shape of the network's one of its name."""
        here = _here(network)
        fitting = {name for name, tensor in self.tensors.items() if name in here and here[name][1] == tensor.shape}
        network.load_state_dict({here[name][0]: self.tensors[name] for name in fitting}, strict=False)
        self._loaded |= fitting

    def gave(self, name: str) -> bool:
        """Whether they put this tensor of the network, named without ``module.``, in place."""
        return name in self._loaded

    def report(self, network: nn.Module) -> WeightsLoaded:
        """Return what became of all of them, and of all tensors of the network that they were loaded into.

        Raises:
            ConfigError: Not a single one was of use.
        """
        here = _here(network)
        if not self._loaded:
            raise ConfigError(
                f"model.weights: nothing of {printable(self.source)} fits: it has {examples(list(self.tensors))}; the "
                f"network has {examples(list(here))}; model.rename_weights can map names"
            )
        rest = [name for name in self.tensors if name not in self._loaded]
        return WeightsLoaded(
            time=time.time(),
            source=printable(self.source),
            loaded=len(self._loaded),
            skipped=_names([*self.skipped, *(name for name in rest if name not in here)]),
            mismatched=_names(
                f"{name}: {_words(self.tensors[name].shape)}, here {_words(here[name][1])}"
                for name in rest
                if name in here
            ),
            missing=_names(name for name in here if name not in self.tensors),
        )


def read(config: Model) -> Generator[Preparing, None, Weights | None]:
    """Return the weights that ``model.weights`` names, as ``config`` drops and renames them; None where it names none.

    Raises:
        CheckpointError, DataError: They are missing, damaged or cannot be downloaded.
        ConfigError: The name is none of the library's, or a pattern fits no name.
    """
    path = config.weights_path
    if path is not None:
        return chosen(config, str(path), weights_file.read(path))
    found = pretrained.find(config)
    if found is None:
        return None
    tensors = yield from pretrained.fetch(found, config)
    return chosen(config, found.source, tensors)


def chosen(config: Model, source: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Return the tensors that are called ``source``, dropped and renamed as ``config`` says.

    What holds a value that is no finite number is dropped, too: so torchvision marks what was never trained. So is
    what is no plain array of real numbers: sparse, quantised or complex tensors, and those without any numbers. A
    leading ``module.`` of all names, which networks copied to several devices have, is no part of them.

    Raises:
        ConfigError: A pattern fits no name, or two names become one.
    """
    prefix = _prefix(tensors)
    there = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    names = list(there)
    dropped = {
        name
        for pattern in config.drop_weights
        for name in required("model.drop_weights", pattern.removeprefix(prefix), names, "the weights")
    }
    faults = ((name, _fault(tensor)) for name, tensor in there.items() if name not in dropped)
    unusable = {name: fault for name, fault in faults if fault is not None}
    kept = [name for name in names if name not in dropped.union(unusable)]
    arrows = (split_arrow(text) for text in config.rename_weights)
    were = _renamed(kept, [(before.removeprefix(prefix), after.removeprefix(prefix)) for before, after in arrows])
    skipped = [*(name for name in names if name in dropped), *(f"{name}: {fault}" for name, fault in unusable.items())]
    return Weights(source, {name: there[was] for name, was in were.items()}, skipped)


def _renamed(names: Sequence[str], renamings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return each of the names by what the first renaming that fits makes of it; else by itself.

    Raises:
        ConfigError: A renaming fits none of them, or two become one.
    """
    for pattern, _ in renamings:
        required("model.rename_weights", pattern, names, "the weights")
    becoming: dict[str, str] = {}
    for name in names:
        new = next((new for pattern, to in renamings if (new := renamed(pattern, to, name)) is not None), name)
        if new in becoming:
            both = f"{printable(becoming[new])} and {printable(name)}"
            raise ConfigError(f"model.rename_weights: {both} of the weights would both be {printable(new)}")
        becoming[new] = name
    return becoming


def _fault(tensor: Tensor) -> str | None:
    """Return why no weight can be made of a tensor; None where one can."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_complex():
        return "no plain numbers"
    return None if tensor.isfinite().all() else "not finite"


def _here(network: nn.Module) -> dict[str, tuple[str, torch.Size]]:
    """Return the names of the network's tensors, in full, and their shapes, by name without ``module.``."""
    tensors = network.state_dict()
    prefix = _prefix(tensors)
    return {name.removeprefix(prefix): (name, tensor.shape) for name, tensor in tensors.items()}


def _prefix(names: Iterable[str]) -> str:
    return _MODULE if all(name.startswith(_MODULE) for name in names) else ""


def _names(names: Iterable[str]) -> Names:
    names = list(names)
    return Names(count=len(names), first=tuple(printable(name)[:_LONGEST] for name in names[:_NAMED]))


def _words(shape: torch.Size) -> str:
    return " x ".join(map(str, shape)) or "a single number"
