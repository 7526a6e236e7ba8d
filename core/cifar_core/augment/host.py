"""What is drawn on the host, on its way to the device.

A few numbers for each image are drawn there: what torch cannot draw from a generator, and what the host has to know.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def sent(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return the array as a tensor on the device, without waiting for what the device is doing."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        # From memory that is not pinned, CUDA may copy only when all that was asked for before is done.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
