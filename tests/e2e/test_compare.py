"""``cifar-tui compare`` prints what differs between runs, for readers and for files."""

from __future__ import annotations

import pytest
from recorded import recorded


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


def test_a_comparison_is_tables_of_runs_seeds_configuration_and_classes(cifar_tui, folder):
    there = [
        recorded(folder, "optimizer.lr=0.5", "training.seed=1", top1=(0.5, 0.6)),
        recorded(folder, "optimizer.lr=0.5", "training.seed=2", top1=(0.5, 0.7)),
        recorded(folder, "optimizer.lr=0.25", "training.seed=1", top1=(0.2, 0.3)),
    ]
    done = cifar_tui("compare", "--runs-dir", folder, *(run.id for run in there))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    for words in ("lr 0.5 seed 1", "60.00 test", "lr 0.5, 2 seeds: 65.00 ± 7.07 %", "optimizer.lr", "training.seed"):
        assert words in done.stdout
    (cat,) = [line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["cat"]]
    assert cat == ["cat", "60.0", "70.0", "30.0", "40.0"]


@pytest.mark.parametrize(
    ("names", "words"),
    [(["nothing", "nowhere"], "no run in"), (["last"], "two runs or more"), (["last", "last"], "two runs or more")],
)
def test_a_wrong_name_or_a_single_run_is_one_sentence(cifar_tui, folder, names, words):
    recorded(folder)
    done = cifar_tui("compare", "--runs-dir", folder, *names)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_run_is_named_and_the_others_are_compared(cifar_tui, folder):
    there = [recorded(folder, f"training.seed={seed}") for seed in range(3)]
    there[1].events.write_text("no event\n")
    done = cifar_tui("compare", "--runs-dir", folder, *(run.id for run in there))
    assert done.returncode == 0
    assert "is no event" in done.stderr
    assert "2 seeds" in done.stdout


def test_a_name_cannot_steer_the_terminal_or_mark_text_up(cifar_tui, folder):
    there = [recorded(folder, name=name) for name in ("\x1b[31mevil", "[bold]b")]
    done = cifar_tui("compare", "--runs-dir", folder, *(run.id for run in there))
    assert "\x1b" not in done.stdout
    assert r"\x1b[31mevil" in done.stdout
    assert "[bold]b" in done.stdout


def test_a_terminal_that_has_no_room_for_unicode_gets_no_fault(cifar_tui, folder):
    there = [recorded(folder, f"training.seed={seed}") for seed in range(2)]
    done = cifar_tui("compare", "--runs-dir", folder, *(run.id for run in there), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "+-" in done.stdout
