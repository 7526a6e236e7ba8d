"""How a training ended is told in one sentence and one exit code, with the way on."""

from __future__ import annotations

import io
import shlex

import pytest
from samples import evaluated, run_started

from cifar_core.events import CheckpointSaved, CheckpointStarted, RunFinished, Warned
from cifar_experiments.runs import Run
from cifar_tui.outcome import Outcome

ID = "20261121-000000-mine-aaaa"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that is kept where runs are."""
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(tmp_path))
    return Run(tmp_path / ID)


def begun(after=4):
    return CheckpointStarted(time=1.0, epoch=1, step=after, number=1)


def saved(after=4, path="/runs/checkpoints/step-4"):
    return CheckpointSaved(time=1.0, epoch=1, step=after, best=False, path=path, bytes=1, seconds=0.1)


NOT_SAVED = Warned(time=1.0, code="checkpoint-not-saved", message="the disk is full")


def finished(reason, **changes):
    seconds = {"training_seconds": 10.0, "evaluation_seconds": 1.0, "data_seconds": 0.5, "paused_seconds": 0.0}
    return RunFinished(time=9.0, reason=reason, epoch=1, step=4, **{**seconds, **changes})


class Sheet(io.StringIO):
    """An outlet that remembers what is said and what is kept."""

    encoding = "utf-8"

    def __init__(self):
        super().__init__()
        self.kept = ""

    def keep(self, text):
        self.kept += text

    def say(self, text):
        self.write(f"{text}\n")
        self.keep(f"{text}\n")


def ended(*events):
    outcome = Outcome()
    for event in events:
        outcome.note(event)
    return outcome


def told(run, outcome, error=None, *, json=False):
    """What is said on standard output and on standard error."""
    out, err = Sheet(), Sheet()
    outcome.tell(run, error, out, err, json=json)
    assert err.getvalue().removesuffix("\n").isprintable()
    assert err.kept == err.getvalue()
    return out.getvalue(), err.getvalue()


def test_a_training_that_is_complete_ends_with_0_and_its_figures(run):
    outcome = ended(run_started(), begun(), saved(), finished("completed", final_top1=0.5, checkpoint="/there"))
    assert outcome.code == 0
    assert told(run, outcome) == ("completed after step 4, test 50.00 %, training 10.5 s, evaluation 1.0 s\n", "")


def test_the_figures_of_the_last_evaluation_are_shown_by_class(run):
    outcome = ended(run_started(), evaluated(step=2), evaluated(step=4, split="test"), finished("completed"))
    shown, _ = told(run, outcome)
    assert "test accuracy by class, step 4" in shown
    assert "step 2" not in shown
    assert shown.endswith("completed after step 4, training 10.5 s, evaluation 1.0 s\n")


def test_extra_test_sets_are_told_by_name_and_never_by_class_as_if_they_were_the_test_set(run):
    tested = [evaluated(step=4, split="test"), evaluated(step=4, split="extra", extra_test="v6\x1b[2J")]
    end = finished("completed", final_top1=0.5, extra_top1={"v6\x1b[2J": 0.25, "test": 0.125})
    shown, _ = told(run, ended(run_started(), *tested, end))
    assert "test accuracy by class, step 4" in shown
    assert shown.count("by class") == 1
    assert "test 50.00 %, extra v6\\x1b[2J 25.00 %, extra test 12.50 %, training" in shown


@pytest.mark.parametrize("events", [[begun(), saved()], []])
def test_a_training_that_was_stopped_ends_with_0_and_the_way_on(run, events):
    outcome = ended(run_started(), *events, finished("stopped", checkpoint="/there" if events else None))
    assert outcome.code == 0
    shown, said = told(run, outcome)
    assert shown == "stopped after step 4, training 10.5 s, evaluation 1.0 s\n"
    assert said == f"cifar-tui: stopped; cifar-tui --no-tui --resume {ID} goes on\n"


def test_for_a_program_only_the_sentence_is_said(run):
    outcome = ended(run_started(), evaluated(), finished("stopped"))
    assert told(run, outcome, json=True) == ("", f"cifar-tui: stopped; cifar-tui --no-tui --resume {ID} goes on\n")
    assert told(run, ended(run_started(), finished("completed")), json=True) == ("", "")


@pytest.mark.parametrize("reason", ["diverged", "failed"])
def test_a_training_that_went_wrong_ends_with_4_and_says_why(run, reason):
    outcome = ended(run_started(), finished(reason, error="the loss is not finite"))
    assert outcome.code == 4
    shown, said = told(run, outcome)
    assert said == "cifar-tui: the loss is not finite\n"
    assert shown.startswith(f"{reason} after step 4")


@pytest.mark.parametrize("reason", ["diverged", "failed"])
def test_a_training_that_went_wrong_without_a_sentence_says_so_in_a_word(run, reason):
    assert told(run, ended(finished(reason)))[1] == f"cifar-tui: {reason}\n"


def test_an_error_that_came_through_is_told_and_no_figures_are_shown(run):
    outcome = ended(run_started(), evaluated(), finished("failed", error="no images"))
    assert told(run, outcome, "no images") == ("", "cifar-tui: no images\n")


def test_an_error_is_told_though_the_training_itself_was_completed(run):
    outcome = ended(run_started(), finished("completed"))
    assert told(run, outcome, "the run cannot be recorded") == ("", "cifar-tui: the run cannot be recorded\n")


@pytest.mark.parametrize("events", [[], [run_started()], [run_started(), begun(), saved(), evaluated()]])
def test_a_training_without_an_end_ends_with_4(run, events):
    outcome = ended(*events)
    assert outcome.code == 4
    shown, said = told(run, outcome)
    assert shown == ""
    assert said.startswith("cifar-tui: the training ended without a word")


@pytest.mark.parametrize("reason", ["completed", "stopped"])
@pytest.mark.parametrize("warned", [[NOT_SAVED], []])
def test_a_training_whose_last_checkpoint_was_not_saved_ends_with_4(run, reason, warned):
    outcome = ended(run_started(), begun(), *warned, finished(reason))
    assert outcome.code == 4
    assert told(run, outcome)[1] == "cifar-tui: what came last could not be saved\n"


def test_a_checkpoint_that_was_saved_makes_up_for_one_that_was_not(run):
    outcome = ended(run_started(), begun(2), NOT_SAVED, begun(4), saved(4), finished("completed", checkpoint="/there"))
    assert outcome.code == 0
    assert told(run, outcome)[1] == ""


def test_a_training_that_went_wrong_while_it_saved_says_what_went_wrong(run):
    outcome = ended(run_started(), begun(), finished("failed", error="no more memory"))
    assert told(run, outcome)[1] == "cifar-tui: no more memory\n"


# The way on

GOES_ON = f"; the last good checkpoint is /there, from which cifar-tui --no-tui --resume {ID} goes on\n"
WRONG = {
    "no more memory": [begun(), saved(), finished("failed", error="no more memory", checkpoint="/there")],
    "what came last could not be saved": [begun(), saved(), begun(), finished("completed", checkpoint="/there")],
    "the training ended without a word": [begun(), saved(path="/there"), begun()],
}


@pytest.mark.parametrize("why", WRONG)
@pytest.mark.parametrize("json", [True, False])
def test_the_last_good_checkpoint_is_told_with_what_went_wrong(run, why, json):
    assert told(run, ended(run_started(), *WRONG[why]), json=json)[1] == f"cifar-tui: {why}{GOES_ON}"


def test_the_last_good_checkpoint_is_told_with_an_error_that_came_through(run):
    outcome = ended(run_started(), begun(), saved(path="/there"))
    assert told(run, outcome, "the disk is full")[1] == f"cifar-tui: the disk is full{GOES_ON}"


def test_a_checkpoint_that_a_training_went_on_from_is_as_good_as_one_that_it_saved(run):
    outcome = ended(run_started(resumed_from_step=2), finished("diverged", checkpoint="/there"))
    assert told(run, outcome)[1] == f"cifar-tui: diverged{GOES_ON}"


@pytest.mark.usefixtures("run")
def test_a_run_elsewhere_is_told_by_its_path_as_a_shell_reads_it(tmp_path):
    elsewhere = Run(tmp_path / "some where" / ID)
    _, said = told(elsewhere, ended(run_started(), finished("stopped")))
    assert shlex.split(said)[2:6] == ["cifar-tui", "--no-tui", "--resume", str(elsewhere.path)]


def test_an_end_that_was_gone_on_from_does_not_count_any_more(run):
    before = [run_started(), begun(), saved(), finished("stopped", checkpoint="/there")]
    assert ended(*before).code == 0
    outcome = ended(*before, run_started(resumed_from_step=4, checkpoint="/there"))
    assert outcome.code == 4
    assert told(run, outcome)[1] == f"cifar-tui: the training ended without a word{GOES_ON}"


# Foreign text


@pytest.mark.parametrize("error", [None, "\x1b[2J cannot be read\nby\u202e anybody"])
def test_what_is_foreign_in_a_path_or_an_error_cannot_steer_the_terminal(run, error):
    path = "/\x1b]0;title\x07/\udcff\n"
    outcome = ended(run_started(), begun(), saved(path=path), finished("failed", error="\x1bc", checkpoint=path))
    _, said = told(run, outcome, error)
    written = r"\x1bc" if error is None else r"\x1b[2J cannot be read\nby\u202e anybody"
    assert said.startswith(
        rf"cifar-tui: {written}; the last good checkpoint is /\x1b]0;title\x07/\udcff\n, from which "
    )


def test_what_is_foreign_in_the_name_of_a_run_cannot_steer_the_terminal(tmp_path):
    run = Run(tmp_path / "\x1b[2J" / ID)
    _, said = told(run, ended(run_started(), finished("stopped")))
    assert rf"/\x1b[2J/{ID}" in said


def test_the_names_of_classes_cannot_steer_the_terminal(run):
    outcome = ended(run_started(classes=("\x1b[2J", "b")), evaluated(), finished("completed"))
    shown, _ = told(run, outcome)
    assert r"\x1b[2J" in shown
    assert "\x1b[2J" not in shown
