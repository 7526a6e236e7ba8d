"""The random generators that belong to the whole process: their states as plain data, and back."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def states(device: torch.device) -> dict[str, Any]:
    """Return the states of Python's, NumPy's and torch's own generators, the one of ``device`` included.

    Dropout draws from torch's. This package draws from none of the others; a library that it uses may.
    """
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002, the process's own
    return {
        "python": random.getstate(),
        "numpy": [str(kind), np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "device": _of(device),
    }


def restore(states: dict[str, Any], device: torch.device) -> None:
    """Make the generators what they were when ``states`` were taken.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: They are no such states.
    """
    random.setstate(states["python"])
    np.random.set_state(tuple(states["numpy"]))  # noqa: NPY002, as above
    torch.set_rng_state(states["torch"])
    kind, state = states["device"]
    # Of another kind of device it means nothing; a training that changes its device is not exact anyway.
    if kind != device.type:
        return
    if kind == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif kind == "mps":
        torch.mps.set_rng_state(state)


def _of(device: torch.device) -> tuple[str, torch.Tensor | None]:
    if device.type == "cuda":
        return "cuda", torch.cuda.get_rng_state(device)
    if device.type == "mps":
        return "mps", torch.mps.get_rng_state()
    return device.type, None
