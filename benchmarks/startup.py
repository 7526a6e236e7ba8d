"""How long a user waits for a first answer: CPU time of commands that need no torch.

python benchmarks/startup.py [--runs 9]
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import time

# A bare interpreter, as the floor; then the command line as its users call it.
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "cifar-tui --help": [sys.executable, "-m", "cifar_tui", "--help"],
    "cifar-tui presets list": [sys.executable, "-m", "cifar_tui", "presets", "list"],
    "cifar-tui presets show quickstart": [sys.executable, "-m", "cifar_tui", "presets", "show", "quickstart"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    """Time each command and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, median of {options.runs}")
    print("| command | CPU time | wall time |")
    print("|---|---|---|")
    for name, command in COMMANDS.items():
        timed(command)  # fills the disk cache
        cpu, wall = zip(*(timed(command) for _ in range(options.runs)), strict=True)
        print(f"| {name} | {statistics.median(cpu):.3f} s | {statistics.median(wall):.3f} s |", flush=True)


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds of CPU and of wall time that one command takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


if __name__ == "__main__":
    main()
