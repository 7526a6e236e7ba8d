"""Files that hold weights by name: torch's state dicts, safetensors, and the checkpoints of this program's own runs.

Nothing is unpickled but tensors and plain containers, whoever wrote the file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from cifar_core import checkpoint
from cifar_core.errors import DataError, printable

Format = Literal["state_dict", "safetensors"]

# Where training scripts keep the weights among what else they save.
_PLACES = ("state_dict", "model_state_dict", "model")


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU whatever device they were saved from.

    Args:
        path: A ``.safetensors`` file; or one of ``torch.save``, in which they may lie below ``state_dict``,
            ``model_state_dict`` or ``model``; or the folder of a run or of its checkpoints, of which the best is
            read or, where there is none, the last.

    Raises:
        CheckpointError: It is a folder, and holds no checkpoint that can be used.
        DataError: It is missing, unreadable or damaged, or holds no tensors by name.
    """
    if path.is_dir():
        folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
        has_best = (folder / checkpoint.MANIFESTS["best"]).exists()
        return of_checkpoint(folder, "best" if has_best else "last")
    if not path.is_file():
        raise DataError(f"model.weights: there is no file {printable(path)}")
    try:
        tensors = _safetensors(path) if path.suffix == ".safetensors" else _saved_by_torch(path)
    except OSError as error:
        raise DataError(f"model.weights: {printable(path)} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file can fail in any way, and torch's words advise to trust it all the same
        raise DataError(
            f"model.weights: {printable(path)} is damaged, or holds other things than tensors, which are never loaded: "
            "save the state_dict alone"
        ) from error
    if not tensors:
        raise DataError(f"model.weights: {printable(path)} holds no tensors by name, as a state_dict does")
    return tensors


def of_checkpoint(folder: Path, which: Literal["best", "last"]) -> dict[str, Tensor]:
    """Return the weights that a checkpoint's evaluation was of: averaged ones, where an average was kept.

    Raises:
        CheckpointError: The folder holds no such checkpoint that can be used.
    """
    state = (checkpoint.load_best if which == "best" else checkpoint.load)(folder).state
    learner: dict[str, Any] = state["learner"]
    average = learner.get("average")  # those of earlier versions have none
    return dict((average if average and average["count"] else learner)["model"])


def encoded(weights: Mapping[str, Tensor], form: Format) -> bytes:
    """Return the content of a file that holds these tensors by name, on the CPU.

    A state dict is what ``torch.load(weights_only=True)`` takes; safetensors need no torch to be read.
    """
    # Copies: a file should hold neither the memory layout of a device nor memory that tensors share.
    plain = {name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()}
    if form == "safetensors":
        from safetensors.torch import save

        return save(plain, {"format": "pt"})  # by which other libraries know whose tensors they are
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    return buffer.getvalue()


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _saved_by_torch(path: Path) -> dict[str, Tensor]:
    return _tensors(torch.load(path, map_location="cpu", weights_only=True))


def _tensors(saved: object) -> dict[str, Tensor]:
    """Return the tensors by name in one of the usual places below ``saved``, or else in itself."""
    if not isinstance(saved, Mapping):
        return {}
    # The places first: beside them scripts save other tensors, such as the best accuracy.
    below = (_tensors(saved[place]) for place in _PLACES if place in saved)
    itself = {name: value for name, value in saved.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return next(filter(None, below), itself)
