"""The installed command, run as its users run it, in folders of its own."""

import os
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "cifar_tui"]


@pytest.fixture
def home(tmp_path):
    """An environment whose user has no presets, runs or data yet."""
    names = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CIFAR_TUI_") and key != "CI"}
    # No test reaches beyond this machine: whatever asks for the network gets no connection.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    return {**kept, **{name: str(tmp_path / "home") for name in names}, **nowhere, "TERM": "xterm-256color"}


@pytest.fixture
def cifar_tui(home, tmp_path):
    """Run the command in an empty folder, without a terminal; a CompletedProcess with text output."""

    def run(*arguments, **environment):
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env={**home, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
