"""Folds on screens: how they are begun, what a comparison calls them, and how many images they have."""

from __future__ import annotations

import importlib.util

import pytest
from click.testing import CliRunner
from launch_pad import own_folders
from recorded import recorded

from cifar_core.errors import ConfigError
from cifar_experiments import comparing, presets
from cifar_experiments.runs import in_folder
from cifar_tui import background, comparison, interactive, run_cli
from cifar_tui.cli import cli


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    own_folders(tmp_path, monkeypatch)


@pytest.fixture
def shown(monkeypatch):
    """What the app would be opened with, in a terminal."""
    calls = []
    monkeypatch.setattr(run_cli, "is_interactive", lambda: True)
    monkeypatch.setattr(interactive, "run", lambda draft, _folder, starts: calls.append((draft, starts)))
    # The real one ends the process.
    monkeypatch.setattr(run_cli, "_train", lambda *_, **__: 0)
    return calls


def test_in_a_terminal_the_app_begins_all_folds(shown, tmp_path):
    words = ["quickstart", "--folds", "3", "--seed", "5", "--runs-dir", str(tmp_path / "runs")]
    assert CliRunner().invoke(cli, words).exit_code == 0
    [(draft, starts)] = shown
    assert draft.experiment == "quickstart"
    found = [(start.config.data.folds, start.config.data.fold, start.config.training.seed) for start in starts]
    assert found == [(3, 1, 5), (3, 2, 5), (3, 3, 5)]
    assert {start.run for start in starts} == set(in_folder(tmp_path / "runs"))


def test_without_folds_the_app_is_opened_to_choose(shown):
    assert CliRunner().invoke(cli, ["quickstart"]).exit_code == 0
    assert [starts for _, starts in shown] == [[]]


@pytest.mark.parametrize("how", [["--no-tui"], ["--detach"]])
def test_without_scikit_learn_no_run_is_made(how, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    words = ["run", "quickstart", "--folds", "2", *how, "--runs-dir", str(tmp_path / "runs")]
    error = CliRunner().invoke(cli, words).exception
    assert isinstance(error, ConfigError)
    assert "scikit-learn is not installed" in str(error)
    assert in_folder(tmp_path / "runs") == []


@pytest.mark.parametrize("word", ["data.folds=5", " data.fold = 2"])
def test_all_folds_and_one_of_them_cannot_both_be_asked_for(word, tmp_path):
    words = ["run", "quickstart", word, "--folds", "3", "--no-tui", "--runs-dir", str(tmp_path / "runs")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert "leave data.folds and data.fold out" in result.output
    assert in_folder(tmp_path / "runs") == []


# What a comparison calls them


def compared(folder, *overrides):
    return [comparing.read(recorded(folder, *words, top1=(0.5, 0.6), split="val")) for words in overrides]


def fold(number, seed=0):
    return ("data.folds=5", f"data.fold={number}", f"training.seed={seed}")


@pytest.mark.parametrize(
    ("overrides", "label", "line", "mean"),
    [
        ([fold(1), fold(2)], "quickstart fold 2", "quickstart, 2 folds, val: 60.00 ± 0.00 %", "mean over folds"),
        ([fold(1), fold(1, 7)], "quickstart seed 7", "quickstart, 2 seeds: 60.00 ± 0.00 %", "mean over seeds"),
        (
            [fold(1), fold(2), fold(1, 7), fold(2, 7)],
            "quickstart seed 7 fold 2",
            "quickstart, 4 runs, val: 60.00 ± 0.00 %",
            "mean over runs",
        ),
    ],
)
def test_folds_are_told_apart_and_counted(overrides, label, line, mean, tmp_path):
    there = compared(tmp_path, *overrides)
    groups = comparing.groups(there)
    assert groups == [tuple(range(len(there)))]
    assert comparison.labels(there, groups)[-1] == label
    assert comparison.spread_lines(there, groups, plain=False) == [line]
    assert comparison.mean_over(there, groups) == mean


# How many images


def sizes(*overrides, read=False):
    config = presets.compose("quickstart", overrides=list(overrides)).config
    from cifar_core.control import Control
    from cifar_core.data.availability import availability

    if not read:
        return background._sizes(config.data, availability(config.data))
    return background.Background()._read_images(config, Control())


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ([], (10_000, 0, 2_000)),
        (["data.folds=3", "data.fold=1"], (6_666, 3_334, 2_000)),
        (['data.classes=["ring", "disc"]', "data.validation=0.25"], (1_500, 500, 400)),
        (["data.imbalance=100"], (2_478, 0, 2_000)),
    ],
)
def test_sizes_are_told_before_and_after_the_images_are_read(overrides, found):
    assert sizes(*overrides) == sizes(*overrides, read=True) == found


def test_what_only_a_draw_tells_is_not_known_until_the_images_are_read():
    overrides = ["data.imbalance=10", "data.folds=5", "data.limit=1000"]
    assert sizes(*overrides) is None
    train, held_out, test = sizes(*overrides, read=True)
    assert (held_out, test) == (200, 2_000)
    assert 300 < train < 400
