"""Each event has at most one line, and the line says what happened."""

import time

from samples import epoch_completed, evaluated, run_started

from cifar_core.events import (
    CheckpointSaved,
    LearningRateChanged,
    Names,
    Paused,
    Preparing,
    Resumed,
    StepCompleted,
    SystemSampled,
    Warned,
    WeightsLoaded,
)
from cifar_tui.narration import Narrator, for_log

STARTED, EVALUATED, EPOCH = run_started(), evaluated(), epoch_completed()


def told(*events):
    narrator = Narrator()
    return [narrator.line(event) for event in events]


def test_the_start_tells_what_is_trained_on_what():
    assert told(STARTED) == ["mine: lenet-notes (62,006 parameters) on cpu, 2 x 50,000 images"]


def test_weights_are_told_with_what_became_of_the_rest():
    nothing = Names(count=0, first=())
    shapes = Names(count=1, first=("fc.weight: 1000 x 512, here 10 x 512",))
    missing = Names(count=61, first=tuple("abcd"))
    loaded = WeightsLoaded(time=0.0, source="w.pt", loaded=1_060, skipped=nothing, mismatched=shapes, missing=missing)
    assert told(loaded) == [
        (
            "1,060 tensors from w.pt; 1 of another shape (fc.weight: 1000 x 512, here 10 x 512); "
            "61 not in them (a, b, c, ...)"
        )
    ]


def test_an_epoch_tells_its_figures_and_the_newest_evaluation():
    assert told(STARTED, EVALUATED, EPOCH)[1:] == [
        None,
        "epoch 1/2  step 12,500  loss 1.477  acc 46.6 %  val 48.2 % (best)  7,648 img/s  18.0 s",
    ]


def test_an_extra_test_set_has_a_line_of_its_own_and_is_in_no_epoch_s():
    extra = evaluated(split="extra", extra_test="test", top1=0.4567, best=False, class_total=(1_000, 1_000))
    assert told(STARTED, EVALUATED, extra, EPOCH)[2:] == [
        "extra test 45.67 % of 2,000 images",
        "epoch 1/2  step 12,500  loss 1.477  acc 46.6 %  val 48.2 % (best)  7,648 img/s  18.0 s",
    ]


def test_figures_that_are_not_there_are_left_out():
    assert told(EPOCH) == ["epoch 1/0  step 12,500  loss 1.477  acc 46.6 %  7,648 img/s  18.0 s"]


def test_progress_of_one_preparation_is_told_once():
    first = Preparing(time=0.0, phase="decode", subject="images", done=1, total=9)
    later = Preparing(time=0.0, phase="decode", subject="images", done=9, total=9)
    other = Preparing(time=0.0, phase="download", subject="images")
    assert told(first, later, other) == ["decode images", None, "download images"]


def test_steps_and_samples_are_passed_over():
    step = StepCompleted(time=0.0, epoch=1, step=1, loss=1.0, accuracy=0.5, learning_rate=0.1)
    assert told(step, SystemSampled(time=0.0)) == [None, None]


def test_what_was_asked_for_is_told_when_it_was_done():
    assert told(
        Paused(time=0.0, epoch=1, step=1_000),
        Resumed(time=0.0, epoch=1, step=1_000),
        LearningRateChanged(time=0.0, epoch=1, step=1_000, learning_rate=0.05),
        Warned(time=0.0, code="cache-not-written", message="the disk is full"),
    ) == [
        "paused after step 1,000",
        "resumed after step 1,000",
        "learning rate 0.05 after step 1,000",
        "warning: the disk is full",
    ]


def test_foreign_text_is_made_harmless():
    assert told(Warned(time=0.0, code="cache-not-written", message="\x1b[2J")) == [r"warning: \x1b[2J"]


def test_a_log_says_when_and_tells_of_checkpoints_too():
    saved = CheckpointSaved(time=200.0, epoch=1, step=12_500, best=True, path="x", bytes=1, seconds=0.1)
    when = time.strftime("%H:%M:%S", time.localtime(200))
    assert for_log(saved, Narrator().line(saved)) == f"{when} checkpoint after step 12,500 (best)\n"
    assert for_log(EPOCH, "words") == f"{time.strftime('%H:%M:%S', time.localtime(EPOCH.time))} words\n"
    assert for_log(EPOCH, None) is None
