"""``cifar-tui export`` saves a run's weights for other programs, and for other trainings."""

import pytest
import torch
from safetensors.torch import load_file


@pytest.fixture
def trained(cifar_tui, tmp_path):
    """A run with a validation part, and the folder of runs that it is in."""
    done = cifar_tui(
        "--no-tui",
        "quickstart",
        "--runs-dir",
        tmp_path / "runs",
        *("model.name=lenet-notes-bn", "data.limit=200", "data.validation=0.2", "training.epochs=2"),
        "training.device=cpu",
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "runs"


def export(cifar_tui, runs, *arguments):
    return cifar_tui("export", "last", *arguments, "--runs-dir", runs)


def test_weights_are_written_in_both_formats_and_replaced_only_by_force(cifar_tui, trained, tmp_path):
    first = export(cifar_tui, trained, "weights.pt")
    assert (first.returncode, first.stderr) == (0, "")
    assert "in weights.pt" in first.stdout
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert weights["conv1.weight"].shape == (6, 3, 5, 5)

    assert export(cifar_tui, trained, "weights.safetensors").returncode == 0
    assert export(cifar_tui, trained, "asked-for", "--format", "safetensors").returncode == 0
    for name in ("weights.safetensors", "asked-for"):
        read = load_file(tmp_path / name)
        assert all(torch.equal(read[key], weights[key]) for key in weights)

    again = export(cifar_tui, trained, "weights.pt", "--weights", "best")
    assert (again.returncode, again.stderr) == (2, "cifar-tui: weights.pt is there already; --force replaces it\n")
    assert export(cifar_tui, trained, "weights.pt", "--weights", "best", "--force").returncode == 0
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "weights.pt",
        "weights.safetensors",
        "asked-for",
    }


def test_what_cannot_be_exported_is_one_sentence(cifar_tui, trained, tmp_path):
    nowhere = export(cifar_tui, trained, "nowhere/weights.pt")
    assert nowhere.returncode == 2
    assert "nowhere/weights.pt cannot be written: No such file or directory" in nowhere.stderr
    for path in next(trained.iterdir()).joinpath("checkpoints").glob("best.json"):
        path.unlink()
    without = export(cifar_tui, trained, "weights.pt", "--weights", "best")
    assert without.returncode == 4
    assert "best.json is missing" in without.stderr
    assert all(len(done.stderr.splitlines()) == 1 for done in (nowhere, without))
    assert not (tmp_path / "weights.pt").exists()
