"""A history holds what the events of one run come to, however many there are, live or read back."""

from __future__ import annotations

import sys

import pytest
from msgspec.structs import replace

from cifar_core.events import (
    CheckpointSaved,
    CheckpointStarted,
    EpochCompleted,
    Evaluated,
    GpuSample,
    LearningRateChanged,
    Paused,
    Preparing,
    Resumed,
    RunFinished,
    RunStarted,
    StepCompleted,
    SystemSampled,
    Warned,
    from_json,
    to_json,
)
from cifar_experiments.history import ClassAccuracy, Confused, History

STARTED = RunStarted(
    time=1000.0,
    run_id="x",
    experiment="mine",
    model="lenet-notes",
    parameters=62_006,
    multiply_adds=1,
    device="cpu",
    threads=1,
    train_images=380,
    val_images=20,
    test_images=20,
    classes=("cat", "dog", "ship"),
    epochs=50,
    batch_size=4,
    steps_per_epoch=100,
    total_steps=5000,
)
RESUMED = replace(STARTED, time=9000.0, resumed_from_step=150, resumed_from_checkpoint=1)
FINISHED = RunFinished(
    time=2000.0,
    reason="completed",
    epoch=50,
    step=5000,
    training_seconds=1.0,
    evaluation_seconds=0.0,
    data_seconds=0.0,
    paused_seconds=0.0,
)
PREPARING = Preparing(time=999.0, phase="decode", subject="train", done=1, total=2)
PAUSED = Paused(time=1000.0, epoch=1, step=1)
RESUMED_BY_HAND = Resumed(time=1000.0, epoch=1, step=1)


def step(number, time=None, **figures):
    """A step; ten of them are made in a second unless said otherwise."""
    figures = {"loss": 2.0, "accuracy": 0.25, "learning_rate": 0.1, **figures}
    time = 1000.0 + number / 10 if time is None else time
    return StepCompleted(time=time, epoch=-(-number // 100), step=number, **figures)


def epoch(number):
    return EpochCompleted(
        time=1000.0,
        epoch=number,
        step=number * 100,
        loss=1.0,
        accuracy=0.5,
        training_seconds=1.0,
        evaluation_seconds=0.0,
        data_seconds=0.0,
        images_per_second=None,
    )


def evaluated(number, split="val", **figures):
    figures = {
        "loss": 1.5,
        "top1": 0.5,
        "top5": 1.0,
        "class_correct": (1, 5, 0),
        "class_total": (4, 6, 10),
        "confusion": ((1, 3, 0), (1, 5, 0), (7, 3, 0)),
        "seconds": 0.0,
        **figures,
    }
    return Evaluated(time=1000.0, epoch=1, step=number, split=split, **figures)


def saved(number, *, best=False, seconds=0.0):
    return CheckpointSaved(time=1000.0, epoch=1, step=number, best=best, path="x", bytes=1, seconds=seconds)


def sample(time, *gpus, **figures):
    return SystemSampled(time=time, gpus=gpus, **figures)


def history_of(*events):
    history = History()
    for event in events:
        history.apply(event)
    return history


def steps(first, last):
    return map(step, range(first, last + 1))


def points(series, columns=1000):
    """Each point of a short series."""
    first, last = series.extent or (0, 0)
    return [(column.begin, column.last) for column in series.view(first, last, columns).columns]


def test_a_history_without_events_knows_nothing():
    history = History()
    assert (history.started, history.finished, history.preparing, history.system) == (None,) * 4
    assert (history.paused, history.step, history.epoch, history.learning_rate) == (False, 0, 0, None)
    assert (history.best, history.evaluation, history.evaluation_before) == (None, None, None)
    assert (history.steps_per_second, history.images_per_second, history.seconds_left) == (None, None, None)
    assert (history.per_class(), history.most_confused(3)) == ([], [])
    assert not any((history.epochs, history.warnings, history.checkpoints, history.gpus, history.loss))


EVENTS = [
    PREPARING,
    STARTED,
    step(1),
    PAUSED,
    LearningRateChanged(time=1000.0, epoch=1, step=1, learning_rate=0.2),
    RESUMED_BY_HAND,
    evaluated(1),
    evaluated(1, split="test"),
    evaluated(1, split="train"),
    CheckpointStarted(time=1000.0, epoch=1, step=1, number=1),
    saved(1),
    sample(1000.0, GpuSample(index=0, name="A")),
    Warned(time=1000.0, code="fell-back", message="x"),
    epoch(1),
    FINISHED,
]


def test_every_event_changes_the_version():
    history = History()
    versions = [history.version]
    for event in EVENTS:
        history.apply(event)
        versions.append(history.version)
    assert len(set(versions)) == len(versions)


def test_a_run_that_is_read_back_has_the_history_that_it_had():
    live, again = History(), History()
    for event in [*EVENTS[:3], *steps(2, 300), *EVENTS[3:]]:
        live.apply(event)
        again.apply(from_json(to_json(event)))
    for name, value in vars(live).items():
        if not name.startswith("_") and not hasattr(value, "view") and name != "gpus":
            assert getattr(again, name) == value
    assert points(again.loss) == points(live.loss)
    assert again.steps_per_second == live.steps_per_second is not None


def test_the_steps_become_series():
    history = history_of(STARTED, step(1, loss=2.5), step(2, loss=None, accuracy=0.5, learning_rate=0.05))
    assert (history.step, history.epoch, history.learning_rate) == (2, 1, 0.05)
    assert points(history.loss) == [(1, 2.5)]
    assert (len(history.loss), history.loss.gaps) == (2, 1)
    assert points(history.accuracy) == [(1, 0.25), (2, 0.5)]
    assert points(history.learning_rates) == [(1, 0.1), (2, 0.05)]


def test_gradient_norms_that_nobody_asked_for_take_no_room():
    assert len(history_of(STARTED, *steps(1, 10)).gradient_norm) == 0


def test_a_gradient_norm_that_is_not_finite_is_a_gap():
    norms = [3.0, None, 4.0]
    history = history_of(STARTED, *(step(number, gradient_norm=norm) for number, norm in enumerate(norms, 1)))
    assert points(history.gradient_norm) == [(1, 3.0), (3, 4.0)]
    assert history.gradient_norm.gaps == 1


def test_preparing_is_over_once_the_run_has_started():
    history = history_of(PREPARING)
    assert history.preparing == PREPARING
    history.apply(STARTED)
    assert (history.preparing, history.started) == (None, STARTED)


def test_a_run_is_paused_until_it_goes_on_or_ends():
    history = history_of(STARTED, step(1), PAUSED)
    assert history.paused
    history.apply(RESUMED_BY_HAND)
    assert not history.paused
    for event in (PAUSED, FINISHED):
        history.apply(event)
    assert not history.paused
    assert history.finished == FINISHED


def test_only_the_newest_warnings_and_epochs_are_kept():
    warnings = [Warned(time=float(number), code="fell-back", message="x") for number in range(300)]
    history = history_of(STARTED, *warnings, *map(epoch, range(1, 10_101)))
    assert list(history.warnings) == warnings[100:]
    assert [kept.epoch for kept in history.epochs] == list(range(101, 10_101))


def test_the_newest_checkpoints_are_kept_the_best_apart():
    history = history_of(STARTED, saved(1), saved(2, best=True), saved(3))
    assert history.checkpoints == {"last": saved(3), "best": saved(2, best=True)}


# Evaluations


def test_evaluations_become_series_over_steps_each_split_its_own():
    history = history_of(
        STARTED, evaluated(100, top1=0.4), evaluated(200, top1=0.6, loss=None), evaluated(200, "test", loss=1.25)
    )
    assert points(history.val_accuracy) == [(100, 0.4), (200, 0.6)]
    assert points(history.val_loss) == [(100, 1.5)]
    assert (points(history.test_accuracy), points(history.test_loss)) == ([(200, 0.5)], [(200, 1.25)])


def test_evaluations_on_the_validation_images_are_shown_where_there_are_any():
    first, second = evaluated(100), evaluated(200, class_correct=(2, 5, 0))
    history = history_of(STARTED, first, second, evaluated(200, "test"))
    assert (history.evaluation, history.evaluation_before) == (second, first)
    history = history_of(STARTED, evaluated(100, "test"), first)
    assert (history.evaluation, history.evaluation_before) == (first, None)


def test_else_evaluations_on_the_test_images_are_shown_and_none_of_them_is_the_best():
    first, second = evaluated(100, "test"), evaluated(200, "test")
    history = history_of(STARTED, first, second)
    assert (history.evaluation, history.evaluation_before, history.best) == (second, first, None)


def test_what_was_evaluated_on_training_images_is_not_shown():
    history = history_of(STARTED, evaluated(100, "train"))
    assert history.evaluation is None
    assert (len(history.val_loss), len(history.test_loss)) == (0, 0)


def test_the_best_evaluation_is_remembered():
    evaluations = [evaluated(100, top1=0.4, best=True), evaluated(200, top1=0.6, best=True), evaluated(300, top1=0.5)]
    assert history_of(STARTED, *evaluations).best == (200, 0.6)


def test_classes_are_told_the_best_first_with_their_change():
    history = history_of(STARTED, evaluated(100))
    assert history.per_class() == [
        ClassAccuracy("dog", 5 / 6, None, 5, 6),
        ClassAccuracy("cat", 0.25, None, 1, 4),
        ClassAccuracy("ship", 0.0, None, 0, 10),
    ]
    history.apply(evaluated(200, class_correct=(4, 3, 1)))
    assert history.per_class() == [
        ClassAccuracy("cat", 1.0, 0.75, 4, 4),
        ClassAccuracy("dog", 0.5, 0.5 - 5 / 6, 3, 6),
        ClassAccuracy("ship", 0.1, 0.1, 1, 10),
    ]


def test_a_class_without_images_has_no_accuracy_and_comes_last():
    history = history_of(STARTED, *(evaluated(number, class_total=(0, 6, 10)) for number in (100, 200)))
    assert history.per_class()[-1] == ClassAccuracy("cat", None, None, 1, 0)


def test_the_most_frequent_confusions_are_told_first_and_what_is_right_is_none():
    history = history_of(STARTED, evaluated(100))
    told = [
        Confused("ship", "cat", 7),
        Confused("cat", "dog", 3),
        Confused("ship", "dog", 3),
        Confused("dog", "cat", 1),
    ]
    assert history.most_confused(10) == told
    assert history.most_confused(2) == told[:2]
    assert history.most_confused(0) == []


def test_classes_without_a_name_are_told_by_their_number():
    assert history_of(evaluated(100)).most_confused(1) == [Confused("2", "0", 7)]


# The machine


def test_samples_of_the_machine_become_series_over_time():
    gpu = GpuSample(index=1, name="A", utilisation=0.5, memory_used=30, memory_total=40, power=200.0, temperature=41.0)
    history = history_of(
        sample(10.0, process_cpu=1.5, process_memory=2**33), sample(11.0, gpu), sample(12.0, gpu, process_cpu=2.0)
    )
    assert history.system == sample(12.0, gpu, process_cpu=2.0)
    assert points(history.process_cpu) == [(10.0, 1.5), (12.0, 2.0)]
    assert points(history.process_memory) == [(10.0, 2**33)]
    assert set(history.gpus) == {1}
    assert history.gpus[1].name == "A"
    over_time = history.gpus[1]
    for series, figure in zip(
        (over_time.utilisation, over_time.memory, over_time.power, over_time.temperature),
        (0.5, 0.75, 200.0, 41.0),
        strict=True,
    ):
        assert points(series) == [(11.0, figure), (12.0, figure)]


def test_what_a_driver_does_not_tell_is_a_gap():
    over_time = history_of(sample(10.0, GpuSample(index=0, name="A", memory_used=30))).gpus[0]
    for series in (over_time.utilisation, over_time.memory, over_time.power, over_time.temperature):
        assert (len(series), series.gaps) == (1, 1)


def test_a_clock_that_is_set_back_does_not_turn_a_series_back():
    history = history_of(*(sample(time, process_cpu=1.0) for time in (10.0, 11.0, 5.0, 12.0)))
    assert points(history.process_cpu) == [(10.0, 1.0), (11.0, 1.0), (12.0, 1.0)]
    assert history.process_cpu.extent == (10.0, 12.0)
    assert len(history.process_cpu) == 4


# The pace


def test_rates_and_the_time_left_are_those_of_the_newest_ten_seconds():
    fast = [step(number, 1000.0 + number / 100) for number in range(1, 1001)]
    slow = [step(1000 + number, 1010.0 + number / 10) for number in range(1, 201)]
    history = history_of(STARTED, *fast)
    assert history.steps_per_second == pytest.approx(100)
    # A mean batch has 3.8 images: the last one of an epoch is smaller.
    assert history.images_per_second == pytest.approx(380)
    assert history.seconds_left == pytest.approx(40)
    for event in slow:
        history.apply(event)
    assert history.steps_per_second == pytest.approx(10)
    assert history.seconds_left == pytest.approx(380)


def test_an_epoch_whose_last_images_are_left_out_has_whole_batches():
    started = replace(STARTED, train_images=403)
    assert history_of(started, *steps(1, 100)).images_per_second == pytest.approx(40)


def test_no_rate_is_told_before_a_second_of_training_is_seen():
    history = history_of(STARTED, *steps(1, 10))
    assert (history.steps_per_second, history.images_per_second, history.seconds_left) == (None, None, None)
    history.apply(step(11))
    assert history.steps_per_second == pytest.approx(10)


def test_what_comes_before_the_first_step_does_not_count():
    history = history_of(STARTED, *(step(number, 2000.0 + number / 10) for number in range(1, 30)))
    assert history.steps_per_second == pytest.approx(10)


def test_steps_that_take_longer_than_the_window_have_a_rate_too():
    history = history_of(STARTED, *(step(number, 1000.0 + 40 * number) for number in range(1, 4)))
    assert history.steps_per_second == pytest.approx(1 / 40)


def test_evaluations_and_checkpoints_are_no_training_but_take_time_of_what_is_left():
    history = history_of(STARTED, *steps(1, 51), evaluated(51, seconds=3.0), saved(51, seconds=2.0))
    before = history.steps_per_second
    for number in range(52, 102):
        history.apply(step(number, 1005.0 + number / 10))
    assert history.steps_per_second == pytest.approx(before) == pytest.approx(10)
    # 100 steps were made in 10 seconds of training and 5 of all else.
    assert history.seconds_left == pytest.approx(4899 * (0.1 + 0.05))


def test_a_pause_is_no_training_and_what_is_left_stays_as_it_was():
    history = history_of(STARTED, *steps(1, 51))
    before = (history.steps_per_second, history.images_per_second, history.seconds_left)
    history.apply(replace(PAUSED, time=1005.2))
    # What is saved while paused is over by the time that the pause is.
    history.apply(saved(51, seconds=100.0))
    assert (history.steps_per_second, history.images_per_second, history.seconds_left) == before
    history.apply(replace(RESUMED_BY_HAND, time=8005.2))
    for number in range(52, 80):
        history.apply(step(number, 8000.0 + number / 10))
    assert history.steps_per_second == pytest.approx(10)
    assert history.seconds_left == pytest.approx((5000 - 79) / 10)


def test_a_clock_that_is_set_back_makes_the_rate_begin_anew():
    history = history_of(STARTED, *steps(1, 100), *(step(number, number / 5) for number in range(101, 104)))
    assert history.steps_per_second is None
    for number in range(104, 110):
        history.apply(step(number, number / 5))
    assert history.steps_per_second == pytest.approx(5)
    assert history.seconds_left == pytest.approx((5000 - 109) / 5)


def test_nothing_is_left_once_the_run_has_ended():
    history = history_of(STARTED, *steps(1, 100), FINISHED)
    assert history.seconds_left is None
    assert history.steps_per_second == pytest.approx(10)


# Going on


def test_a_run_that_goes_on_takes_back_what_came_after_its_checkpoint():
    history = history_of(
        *(STARTED, *steps(1, 100), evaluated(100, top1=0.4, best=True), epoch(1), saved(100, best=True)),
        *(*steps(101, 150), saved(150), *map(step, range(151, 201)), evaluated(200, top1=0.6, best=True), epoch(2)),
        *(saved(200, best=True), PAUSED, replace(FINISHED, reason="stopped")),
    )
    history.apply(RESUMED)
    assert (history.started, history.finished, history.paused) == (RESUMED, None, False)
    assert (history.step, history.epoch) == (150, 2)
    for series in (history.loss, history.accuracy, history.learning_rates):
        assert series.extent == (1, 150)
        assert len(series) == 150
    assert points(history.val_accuracy) == [(100, 0.4)]
    assert history.best == (100, 0.4)
    assert history.evaluation.step == 100
    assert history.evaluation_before is None
    assert [kept.epoch for kept in history.epochs] == [1]
    # Whatever was saved as the last and as the best since then is gone too.
    assert history.checkpoints == {}
    assert history.steps_per_second is None
    for event in steps(151, 200):
        history.apply(event)
    assert points(history.loss) == [(number, 2.0) for number in range(1, 201)]


def test_what_came_up_to_the_checkpoint_stays():
    events = [*steps(1, 150), evaluated(50, best=True), evaluated(150), epoch(1), saved(50, best=True), saved(150)]
    history = history_of(STARTED, *events, sample(5.0, process_cpu=1.0), EVENTS[12], RESUMED)
    assert history.best == (50, 0.5)
    assert (history.evaluation.step, history.evaluation_before.step) == (150, 50)
    assert history.checkpoints == {"last": saved(150), "best": saved(50, best=True)}
    assert (len(history.loss), len(history.epochs), len(history.warnings), len(history.process_cpu)) == (150, 1, 1, 1)


def test_a_run_that_begins_anew_takes_everything_back():
    history = history_of(STARTED, *steps(1, 9999), evaluated(100, best=True), evaluated(200, best=True), STARTED)
    assert (history.step, history.epoch, history.learning_rate) == (0, 0, None)
    assert (history.best, history.evaluation, history.evaluation_before) == (None, None, None)
    assert (len(history.loss), len(history.val_accuracy)) == (0, 0)
    history.apply(step(1))
    assert points(history.loss) == [(1, 2.0)]


def test_a_history_that_begins_with_a_run_that_goes_on_begins_there():
    history = history_of(RESUMED, *(step(number, 9000.0 + number / 10) for number in range(151, 200)))
    assert (history.step, history.epoch, history.loss.extent) == (199, 2, (151, 199))
    assert history.seconds_left == pytest.approx((5000 - 199) / 10)


def test_an_evaluation_that_is_made_a_second_time_is_not_the_one_before():
    first, again = evaluated(150, class_correct=(2, 5, 0)), evaluated(150)
    history = history_of(STARTED, evaluated(100), *steps(1, 150), first, epoch(1), RESUMED, again, epoch(1))
    assert (history.evaluation, history.evaluation_before) == (again, evaluated(100))
    assert [kept.epoch for kept in history.epochs] == [1]


def test_a_history_of_many_steps_takes_no_more_memory_than_one_of_some():
    history = History()
    history.apply(STARTED)
    for event in steps(1, 100_000):
        history.apply(event)
    for series in (history.loss, history.accuracy, history.learning_rates):
        assert len(series) == 100_000
        assert len(series._xs) < 5000
        assert len(series._buckets) <= 4096
    assert sys.getsizeof(history._pace._marks) < 5000
    assert len(history._pace._marks) < 50
