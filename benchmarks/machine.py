"""The machine that a figure was measured on, in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


def described(device: str) -> str:
    """Processor or GPU, cores, and the versions that decide the speed."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = lines[0].partition(":")[2].strip() if lines else processor
    where = torch.cuda.get_device_name() if device.startswith("cuda") else f"{processor}, {os.cpu_count()} cores"
    return f"{where}; Python {platform.python_version()}, torch {torch.__version__}"
