"""Runs side by side: what they differ in, how far their seeds spread, and which classes they differ over."""

from __future__ import annotations

import math
import random
import statistics
from contextlib import aclosing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import epoch_completed, evaluated, run_started

from cifar_core.config import Config
from cifar_core.errors import ConfigError
from cifar_core.events import RunFinished, StepCompleted, to_json
from cifar_experiments import runs
from cifar_experiments.comparing import (
    ClassRow,
    Compared,
    Difference,
    Spread,
    accuracy,
    common_split,
    differences,
    groups,
    held_out_accuracy,
    mean_curve,
    per_class,
    read,
    spread,
)
from cifar_experiments.history import Column, History, Series, View
from cifar_experiments.presets import compose

ANIMALS = run_started(classes=("cat", "dog", "eel"))


@pytest.fixture
def make(tmp_path):
    """Make a run of a configuration with these events."""

    def made(*events, config=None, parent=None):
        run = runs.create(config or Config(name="mine"), tmp_path / "runs", command=["x"], parent=parent)
        run.events.write_bytes(b"".join(to_json(event) + b"\n" for event in events))
        return run

    return made


@pytest.fixture
def compare(make):
    """Make runs of quickstart with these overrides, and read them."""

    def compared(*overrides):
        return [read(make(config=compose("quickstart", overrides=words).config)) for words in overrides]

    return compared


def step(number, loss=2.0):
    return StepCompleted(time=1.0, epoch=1, step=number, loss=loss, accuracy=0.1, learning_rate=0.1)


def found(split, *correct, total=10, **changes):
    return evaluated(split=split, class_correct=correct, class_total=(total,) * len(correct), confusion=(), **changes)


def finished(after, **changes):
    seconds = {"training_seconds": 1.0, "evaluation_seconds": 1.0, "data_seconds": 1.0, "paused_seconds": 1.0}
    return RunFinished(time=9.0, reason="completed", epoch=1, step=after, **{**seconds, **changes})


# Reading


async def test_a_recorded_run_is_read_as_a_whole(tmp_path):
    run = runs.create(compose("quickstart").config, tmp_path, command=["x"])
    events = [run_started(), step(1), step(2), evaluated(step=2), evaluated(step=2, split="test"), epoch_completed()]

    async def stream():
        for event in (*events, finished(2)):
            yield event

    with runs.locked(run) as lock:
        async with aclosing(runs.Recorder(run, lock).record(stream())) as passed:
            assert len([event async for event in passed]) == 7
    one = read(run)
    assert (one.run, one.summary) == (run, runs.current(run))
    assert (one.history.step, len(one.history.loss), one.history.finished) == (2, 2, finished(2))
    assert one.evaluations == {"val": events[3], "test": events[4]}


def test_the_configuration_is_read_as_toml_in_its_order(compare):
    (one,) = compare(["training.clip_norm=0.5", "data.limit=100"])
    keys = list(one.values)
    assert keys[:3] == ["name", "description", "model.name"]
    assert keys.index("data.kind") < keys.index("augment.flip") < keys.index("training.epochs")
    assert (one.values["name"], one.values["training.clip_norm"]) == ('"quickstart"', "0.5")
    assert (one.values["optimizer.lr"], one.values["model.dropout"]) == ("0.02", "[]")
    assert "training.max_steps" not in one.values


def test_a_run_of_another_version_can_be_compared(make):
    run = make()
    run.toml.write_text('name = "x"\nlater = 1\n[training]\nnew = [1, 2.5]\nseed = 3\n')
    assert read(run).values == {"name": '"x"', "later": "1", "training.new": "[1, 2.5]", "training.seed": "3"}


@pytest.mark.parametrize("text", ["x = 2026-11-21", "[a.b]\nc = 1", "[[a]]\nb = 1", "=", None])
def test_a_configuration_that_is_none_is_told_in_a_sentence(make, text):
    run = make()
    run.toml.unlink()
    if text is not None:
        run.toml.write_text(text)
    with pytest.raises(ConfigError) as told:
        read(run)
    assert str(told.value).startswith(f"{run.toml}: ")
    assert str(told.value).isprintable()


def test_a_torn_last_line_is_where_the_events_end(make):
    run = make(run_started(), step(1), step(2))
    with run.events.open("ab") as file:
        file.write(to_json(step(3))[:-5])
    assert read(run).history.step == 2


def test_events_and_summaries_that_are_none_are_told_in_a_sentence(make):
    run = make(run_started())
    run.events.write_bytes(b"{}\n")
    with pytest.raises(runs.RunFolderError, match=r"events\.jsonl:1: is no event"):
        read(run)
    run.events.write_bytes(b"")
    run.summary.write_bytes(b"{}")
    with pytest.raises(runs.RunFolderError, match=r"summary\.json: is no summary"):
        read(run)


def test_the_newest_evaluation_of_each_split_is_kept(make):
    events = [evaluated(step=number, split=split) for number in (1, 2) for split in ("val", "test")]
    one = read(make(run_started(), *events))
    assert {split: event.step for split, event in one.evaluations.items()} == {"val": 2, "test": 2}


# Differences


def test_keys_that_are_not_the_same_in_all_runs_differ(compare):
    three = compare(["training.seed=1", "name=a"], ["training.seed=2", "optimizer.lr=0.02", "description=b"], [])
    assert differences(three) == [Difference("training.seed", ("1", "2", "0"))]
    assert differences(three[:1]) == differences([]) == []
    assert differences([three[0], three[0]]) == []


def test_keys_that_one_run_lacks_differ_and_stand_with_their_section(compare):
    two = compare(["optimizer=adam", "training.clip_norm=1"], ["model=resnet18"])
    assert differences(two) == [
        Difference("model.name", ('"lenet-notes"', '"resnet18"')),
        Difference("optimizer.name", ('"adam"', '"sgd"')),
        Difference("optimizer.lr", ("0.001", "0.02")),
        Difference("optimizer.betas", ("[0.9, 0.999]", None)),
        Difference("optimizer.eps", ("1e-08", None)),
        Difference("optimizer.momentum", (None, "0.9")),
        Difference("optimizer.nesterov", (None, "false")),
        Difference("training.clip_norm", ("1.0", None)),
    ]


# Seeds


def test_runs_that_differ_in_their_seed_alone_are_one_group(compare):
    five = compare(
        ["training.seed=1"],
        ["optimizer.lr=0.5"],
        ["training.seed=2", "name=a", "description=b"],
        ["training.seed=7", "optimizer.lr=0.5"],
        ["training.seed=1"],
    )
    assert groups(five) == [(0, 2, 4), (1, 3)]
    assert groups([]) == []


def test_folds_of_the_same_images_are_one_group_with_and_without_other_seeds(compare):
    folds = [["data.folds=3", f"data.fold={fold}", f"training.seed={seed}"] for seed in (0, 1) for fold in (1, 2, 3)]
    assert groups(compare(*folds)) == [(0, 1, 2, 3, 4, 5)]
    assert groups(compare(*folds[:3], ["data.folds=4", "data.fold=1"], [])) == [(0, 1, 2), (3,), (4,)]


def test_a_fold_is_judged_by_the_newest_evaluation_on_what_it_holds_out(make):
    events = [evaluated(step=1, top1=0.9), evaluated(step=2, top1=0.7), evaluated(step=2, top1=0.6, split="test")]
    assert held_out_accuracy(read(make(run_started(), *events))) == 0.7
    assert held_out_accuracy(read(make(run_started(), events[2]))) is None


@pytest.mark.parametrize("word", ["training.device=cpu", "training.threads=2", "data.root=/x", "training.clip_norm=1"])
def test_whatever_else_may_change_a_result_makes_another_group(compare, word):
    assert groups(compare([], ["training.seed=1"], [word, "training.seed=2"])) == [(0, 1), (2,)]


def test_runs_that_share_their_first_steps_are_no_equals_of_those_that_do_not(make):
    parent = make()
    others = [read(make(config=Config(name="mine", training={"seed": seed}), parent=parent)) for seed in (1, 2)]
    assert groups([read(parent), *others]) == [(0,), (1, 2)]


@pytest.mark.parametrize("values", [[0.5, 0.6, 0.7], [0.1, 0.1, 0.1], [1, 2], [-3.0, 1e6, 2.5, 0.0]])
def test_a_spread_is_the_mean_and_the_sample_standard_deviation(values):
    assert spread(values) == Spread(
        pytest.approx(statistics.mean(values)), pytest.approx(statistics.stdev(values)), len(values)
    )


def test_one_value_has_no_deviation_and_no_value_no_spread():
    assert spread([0.25]) == Spread(0.25, None, 1)
    assert spread([]) is None


values = st.floats(-1e6, 1e6)


@given(st.lists(values, min_size=2, max_size=50))
def test_any_spread_is_what_statistics_says(several):
    told = spread(several)
    assert told.mean == pytest.approx(statistics.mean(several), rel=1e-9, abs=1e-9)
    assert told.deviation == pytest.approx(statistics.stdev(several), rel=1e-9, abs=1e-9)
    assert told.count == len(several)


@given(st.floats(0, 1), st.integers(2, 20))
def test_equal_values_do_not_spread(value, count):
    assert spread([value] * count) == Spread(value, 0.0, count)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.randoms())
def test_a_spread_does_not_depend_on_the_order(several, source):
    told = spread(several)
    source.shuffle(several)
    again = spread(several)
    assert (again.mean, again.deviation) == (pytest.approx(told.mean), pytest.approx(told.deviation, abs=1e-12))


# Accuracy


def compared_of(run, history=None, evaluations=None, **summary):
    said = msgspec.structs.replace(runs.read_summary(run.summary), **summary)
    return Compared(run, said, {}, history or History(), evaluations or {})


def test_the_accuracy_of_a_run_is_that_on_the_test_images_else_the_best_on_the_validation_images(make):
    run = make()
    assert accuracy(compared_of(run, final_top1=0.0, best_top1=0.5)) == 0.0
    assert accuracy(compared_of(run, best_top1=0.5)) == 0.5
    assert accuracy(compared_of(run)) is None


# Classes


def test_the_classes_in_which_runs_differ_most_come_first(make):
    one = read(make(ANIMALS, found("test", 5, 1, 9)))
    two = read(make(ANIMALS, found("test", 5, 9, 8)))
    rows = per_class([one, two])
    assert [(row.name, row.accuracies) for row in rows] == [
        ("dog", (0.1, 0.9)),
        ("eel", (0.9, 0.8)),
        ("cat", (0.5, 0.5)),
    ]
    assert [row.difference for row in rows] == pytest.approx([0.8, 0.1, 0.0])


def test_classes_are_matched_by_name(make):
    one = read(make(run_started(classes=("cat", "dog")), found("test", 1, 2)))
    two = read(make(run_started(classes=("dog", "eel")), found("test", 4, 5)))
    assert [(row.name, row.accuracies, row.difference) for row in per_class([one, two])] == [
        ("dog", (0.2, 0.4), pytest.approx(0.2)),
        ("cat", (0.1, None), None),
        ("eel", (None, 0.5), None),
    ]


def test_a_class_without_a_name_is_known_by_its_number_and_one_without_images_has_no_accuracy(make):
    one = read(make(run_started(classes=("cat",)), found("test", 1, 2)))
    two = read(make(run_started(classes=("cat",)), found("test", 0, 0, total=0)))
    assert per_class([one, two]) == [ClassRow("cat", (0.1, None), None), ClassRow("1", (0.2, None), None)]


@pytest.mark.parametrize(
    ("splits", "split", "accuracies"),
    [
        ([("val", "test"), ("test",)], "test", (0.2, 0.2)),
        ([("val", "test"), ("val",)], "val", (0.1, 0.1)),
        ([("val",), ("test",)], "test", (None, 0.2)),
        ([("val",), ("val",), ("test",)], "val", (0.1, 0.1, None)),
        ([("val",), ()], "val", (0.1, None)),
    ],
)
def test_only_evaluations_on_the_same_images_are_compared(make, splits, split, accuracies):
    correct = {"val": 1, "test": 2}
    several = [read(make(ANIMALS, *(found(each, correct[each], 0, 0) for each in mine))) for mine in splits]
    assert common_split(several) == split
    assert {row.name: row.accuracies for row in per_class(several)}["cat"] == accuracies


def test_extra_test_sets_are_no_split_that_is_compared(make):
    events = [found("test", 1, 2, 3), found("extra", 9, 9, 9, extra_test="test", step=99)]
    one = read(make(ANIMALS, *events))
    assert one.evaluations == {"test": events[0]}
    assert one.history.evaluation == events[0]
    assert [row.accuracies for row in per_class([one])] == [(0.1,), (0.2,), (0.3,)]


def test_runs_that_were_not_evaluated_have_no_classes(make):
    assert per_class([read(make(ANIMALS)), read(make())]) == []
    assert per_class([]) == []
    assert common_split([]) is None


# Curves


def view_of(ys, width=4, last=8):
    series = Series()
    for x, y in enumerate(ys, 1):
        series.append(x, y)
    return series.view(1, last, width)


def test_a_mean_curve_lies_between_one_deviation_below_and_above():
    seeds = [[random.Random(seed).random() for _ in range(8)] for seed in range(5)]
    curve = mean_curve([view_of(ys) for ys in seeds])
    assert [x for x, *_ in curve] == [1.5, 3.5, 5.5, 7.5]
    for column, (_, low, high, mean) in enumerate(curve):
        means = [statistics.mean(ys[2 * column : 2 * column + 2]) for ys in seeds]
        assert mean == pytest.approx(statistics.mean(means))
        assert high - mean == pytest.approx(statistics.stdev(means))
        assert mean - low == pytest.approx(statistics.stdev(means))


def test_columns_that_a_seed_has_no_points_in_are_left_out():
    curve = mean_curve([view_of([1.0] * 8), view_of([3.0, 3.0, None, None, 3.0]), view_of([2.0] * 7)])
    assert curve == [(1.5, 1.0, 3.0, 2.0), (pytest.approx((5.5 + 5 + 5.5) / 3), 1.0, 3.0, 2.0)]


def test_the_mean_of_one_seed_is_its_own_curve():
    assert mean_curve([view_of([1.0, 2.0, 4.0], width=8)]) == [(1, 1, 1, 1), (2, 2, 2, 2), (3, 4, 4, 4)]


def test_of_no_seeds_there_is_no_curve():
    assert mean_curve([]) == mean_curve([view_of([])]) == mean_curve([view_of([1.0]), view_of([])]) == []


@pytest.mark.parametrize("other", [View(1, 8, 5, ()), View(1, 9, 4, ()), View(0, 8, 4, ())])
def test_curves_of_different_windows_are_refused(other):
    with pytest.raises(ValueError, match="different windows or widths"):
        mean_curve([View(1, 8, 4, ()), other])


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6))
def test_any_mean_curve_is_what_spread_says(seeds):
    views = [View(1, 3, 3, tuple(Column(x, x, x, y, y, y, y) for x, y in enumerate(ys))) for ys in seeds]
    for (_, low, high, mean), column in zip(mean_curve(views), zip(*seeds, strict=True), strict=True):
        told = spread(column)
        assert (mean, low, high) == (told.mean, mean - (told.deviation or 0.0), mean + (told.deviation or 0.0))
        assert low <= mean <= high
        assert math.isfinite(high)
