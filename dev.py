#!/usr/bin/env python3
"""Everything to do in a fresh clone; needs only Python >= 3.11 and makes the rest it needs in `.venv`.

    python3 dev.py quickstart      train the built-in quick start
    python3 dev.py test            run the tests
    python3 dev.py check           lint, types and import contracts
    python3 dev.py run ARG ...     cifar-tui with these arguments

Further arguments of `quickstart` and `test` go to cifar-tui and pytest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"


def run(*command: str | Path) -> None:
    """Run a command in the project's folder; end with its exit code if it fails."""
    code = subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


def become(program: Path, *arguments: str) -> NoReturn:
    """Run a program in place of this one, so that Ctrl+C and other signals are its own affair."""
    sys.stdout.flush()
    os.execv(program, [str(program), *arguments])


def install(extra: str = "") -> None:
    """Make `.venv` hold this project, editable, with what `extra` names; at once when it does already."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / f"installed{extra}"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"cifar-tui: installing into {VENV} (torch is large: a minute or more)", flush=True)
    if uv := shutil.which("uv"):
        if not (BIN / "python").exists():
            run(uv, "venv", "--quiet", "--python", sys.executable, VENV)
        run(uv, "pip", "install", "--quiet", "--python", BIN / "python", "--editable", f".{extra}")
    else:
        if not (BIN / "pip").exists():
            run(sys.executable, "-m", "venv", VENV)
        run(BIN / "python", "-m", "pip", "install", "--quiet", "--editable", f".{extra}")
    stamp.write_text(wanted)


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    if sys.version_info < (3, 11):
        sys.exit(f"cifar-tui needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}")
    match arguments:
        case ["quickstart", *more]:
            install()
            become(BIN / "cifar-tui", "--no-tui", "quickstart", *more)
        case ["run", *more]:
            install()
            become(BIN / "cifar-tui", *more)
        case ["test", *more]:
            install("[dev]")
            os.chdir(ROOT)
            # Side by side, as far as there are cores; "-n 0" takes that back.
            become(BIN / "python", "-m", "pytest", "-n", "auto", "--maxprocesses", "4", "--dist", "worksteal", *more)
        case ["check"]:
            install("[dev]")
            run(BIN / "ruff", "check", ".")
            run(BIN / "ruff", "format", "--check", ".")
            run(BIN / "mypy")
            run(BIN / "mypy", "benchmarks")
            run(BIN / "lint-imports", "--no-cache")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
