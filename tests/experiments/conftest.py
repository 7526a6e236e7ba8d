"""Every test has a home and a current folder of its own."""

import pytest

from cifar_experiments.presets import user_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's folders, empty, and an empty current folder."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("CIFAR_TUI_RUNS", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return tmp_path / "home"


@pytest.fixture
def preset():
    """Write a preset file: in the user's folder, or in another one."""

    def write(kind, name, text, folder=None):
        path = (folder or user_folder()) / kind / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
