"""What needs no training loads nothing that is made for training; what draws no screen loads no screen."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "numpy", "textual", "rich", "tqdm")


def loaded_after(code, home):
    """Which of the heavy modules a fresh interpreter has loaded after running ``code``."""
    report = f"\nimport sys; print('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + report], env=home, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def command(*arguments):
    return f"from cifar_tui.cli import cli; cli.main({list(arguments)!r}, standalone_mode=False)"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "--help"),
        ("presets", "--help"),
        ("presets", "list"),
        ("presets", "show", "quickstart"),
        ("presets", "schema"),
    ],
    ids=" ".join,
)
def test_a_first_answer_waits_for_nothing_heavy(arguments, home):
    assert loaded_after(command(*arguments), home) == []


@pytest.mark.parametrize(
    "module",
    [
        "cifar_core.config",
        "cifar_core.validation",
        "cifar_core.events",
        "cifar_core.control",
        "cifar_core.engine",
        "cifar_experiments.presets",
        "cifar_experiments.runs",
    ],
)
def test_a_module_that_comes_before_training_loads_nothing_heavy(module, home):
    assert loaded_after(f"import {module}", home) == []


def test_screens_come_before_torch(home):
    assert loaded_after("import cifar_tui.interactive", home) == ["textual", "rich"]


def test_training_without_screens_never_loads_a_screen_library(home, tmp_path):
    code = command(
        "quickstart", "data.limit=64", "training.max_steps=1", "training.batch_size=64", "--runs-dir", str(tmp_path)
    )
    # Torch is loaded by now, so that an empty list would not prove the measure to work.
    loaded = loaded_after(code, home)
    assert "torch" in loaded
    assert "textual" not in loaded
    assert "torchvision" not in loaded
