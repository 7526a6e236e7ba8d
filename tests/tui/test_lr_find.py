"""``cifar-tui lr-find`` prints a chart and a command, or lines for programs, and keeps nothing."""

import json
from itertools import pairwise

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from cifar_core.errors import ConfigError, TrainingError
from cifar_core.lr_curve import smooth, suggested
from cifar_tui.cli import cli
from cifar_tui.lr_find_plot import plot
from cifar_tui.widgets.plot import draw

QUICK = ("data.limit=600", "training.batch_size=16", "model=lenet-notes-bn", "training.device=cpu")


@pytest.fixture
def lr_find(tmp_path, monkeypatch):
    """Run the command in an empty folder, without a terminal, with 150 steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(tmp_path / "runs"))

    def run(*arguments, words=QUICK):
        arguments = ("lr-find", "quickstart", *words, "--steps", "150", *arguments)
        return CliRunner().invoke(cli, arguments)

    return run


def test_a_chart_and_the_command_with_the_rate_are_printed_within_a_screen(lr_find, tmp_path):
    result = lr_find()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) < 24
    assert all(cell_len(line) <= 80 for line in lines[:-1])
    assert "loss over learning rate" in result.stdout
    *words, rate = lines[-1].split()
    assert words == ["cifar-tui", "quickstart", *QUICK]
    assert 0.001 < float(rate.removeprefix("optimizer.lr=")) < 1
    assert f"steepest fall at {rate.removeprefix('optimizer.lr=')};" in lines[-2]
    assert list(tmp_path.iterdir()) == []


def test_for_programs_there_is_a_line_for_each_step_and_one_for_the_outcome(lr_find):
    result = lr_find("--json", "--from", "0.001", "--to", "0.5", words=(*QUICK, "optimizer.lr=7"))
    *steps, outcome = map(json.loads, result.stdout.splitlines())
    assert [step["step"] for step in steps] == list(range(1, len(steps) + 1))
    assert {step["type"] for step in steps} == {"StepCompleted"}
    assert steps[0]["learning_rate"] == pytest.approx(0.001)
    assert outcome["type"] == "LearningRateSuggested"
    assert 0.001 < outcome["steepest"] < 0.5
    assert outcome["command"][-1] == f"optimizer.lr={outcome['steepest']:g}"
    assert "optimizer.lr=7" not in outcome["command"]


def test_presets_in_place_of_the_experiments_own_are_in_the_command(lr_find):
    result = lr_find("--json", "--optimizer", "adamw")
    assert json.loads(result.stdout.splitlines()[-1])["command"][1:4] == ["quickstart", "--optimizer", "adamw"]


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        (("--from", "1e-9", "--to", "1e-8"), TrainingError, "falls nowhere from 1e-09 to 1e-08; --steps 600"),
        (("--from", "1", "--to", "0.1"), ConfigError, "must be above 0 and rise, not go from 1 to 0.1"),
        (("--from", "0"), ConfigError, "must be above 0"),
        (("--to", "nan"), ConfigError, "must be above 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, kind, sentence, lr_find):
    result = lr_find(*arguments)
    assert isinstance(result.exception, kind)
    assert sentence in str(result.exception)
    assert result.stdout == ""


def test_an_unknown_experiment_is_told_before_anything_is_trained():
    result = CliRunner().invoke(cli, ["lr-find", "nothing-of-this-name"])
    assert isinstance(result.exception, ConfigError)


@pytest.mark.parametrize("ascii_", [False, True])
@pytest.mark.parametrize("size", [(80, 17), (40, 12)])
def test_the_chart_has_a_logarithmic_axis_and_both_marks(ascii_, size):
    rates = [10 ** (-4 + place / 100) for place in range(401)]
    losses = [2.3 if rate < 0.01 else 2.3 - 0.5 * (1 + place % 100 / 100) for place, rate in enumerate(rates)]
    tried = list(zip(rates, losses, strict=True))
    curve = smooth(tried)
    rows = draw(plot(tried, curve, suggested(curve), size[0]), *size, ascii=ascii_)
    text = ["".join(piece for piece, _ in row) for row in rows]
    assert "steepest fall" in text[0]
    assert "lowest" in text[0] + text[1]
    # Equal distances between powers of ten.
    axis = text[-1]
    places = [axis.index(label) for label in ("0.001", "0.01", "0.1")] if size[0] == 80 else []
    assert len({after - before for before, after in pairwise(places)}) <= 2
    assert all(character.isascii() for row in text for character in row) or not ascii_
