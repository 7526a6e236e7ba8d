"""Which device a training runs on."""

from __future__ import annotations

import torch

from cifar_core.errors import ConfigError


def choose(name: str) -> torch.device:
    """Return the device that ``training.device`` names; "auto" takes the first GPU there is, else the CPU.

    Raises:
        ConfigError: The device is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        if gpus:
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda":
        if not gpus:
            raise ConfigError(f"training.device: {name} asked for, but torch sees no CUDA GPU here; use cpu or auto")
        if int(number or 0) >= gpus:
            raise ConfigError(f"training.device: {name} asked for, but the GPUs here are cuda:0 to cuda:{gpus - 1}")
        return torch.device("cuda", int(number or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("training.device: mps asked for, but torch sees no Apple GPU here; use cpu or auto")
    return torch.device(kind)


def why_not_repeatable(device: torch.device) -> tuple[str, ...]:
    """Sentences saying what keeps two runs on ``device`` from being equal to the last bit."""
    if device.type == "cpu":
        return ()
    return (f"kernels on {device.type} may add numbers in another order from run to run",)
