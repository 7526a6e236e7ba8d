"""Which device a training runs on, and how far its results repeat there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

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


@contextlib.contextmanager
def determinism(*, wanted: bool) -> Iterator[None]:
    """Let torch use only kernels that repeat to the last bit, as long as the context lasts and it is wanted.

    The setting is the process's: every training in it is slowed down meanwhile. An operation without such a
    kernel raises a RuntimeError that names it (https://docs.pytorch.org/docs/stable/notes/randomness.html).
    """
    if not wanted:
        yield
        return
    # Read by cuBLAS when it is first used; later it does no harm.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    searched = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = searched


def place(device: torch.device) -> dict[str, str]:
    """What the last bits of a result depend on besides the configuration, each with its name."""
    there = {
        "torch": str(torch.__version__),
        "device": described(device),
        "threads": str(torch.get_num_threads()),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
    }
    if device.type == "cuda":
        there["cuDNN"] = str(torch.backends.cudnn.version())
    else:
        there["CPU kernels"] = torch.backends.cpu.get_cpu_capability()
    return there


def described(device: torch.device) -> str:
    """The device in words: "cpu", "cuda:0 (NVIDIA H200)"."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def why_not_repeatable(device: torch.device) -> tuple[str, ...]:
    """Sentences saying what keeps two runs on ``device`` from being equal to the last bit."""
    if device.type == "cpu" or (device.type == "cuda" and torch.are_deterministic_algorithms_enabled()):
        return ()
    hint = "; training.deterministic=true forbids that" if device.type == "cuda" else ""
    return (f"kernels on {device.type} may add numbers in another order from run to run{hint}",)
