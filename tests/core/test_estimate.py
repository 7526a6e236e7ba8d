"""The estimate counts the steps and evaluations that a training makes."""

import random
import subprocess
import sys
from contextlib import closing

import pytest
import sklearn.model_selection  # noqa: F401, now, since hypothesis is told of slow examples
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from cifar_core import trainer
from cifar_core.config import Config, Data
from cifar_core.control import Control
from cifar_core.data import splits
from cifar_core.errors import DataError
from cifar_core.estimate import Probe, estimated_seconds, split_sizes, steps_per_epoch, total_steps
from cifar_core.events import Evaluated, RunStarted, StepCompleted


def config(validation=0.0, limit=None, **training):
    return Config.model_validate({"data": {"validation": validation, "limit": limit}, "training": training})


def seconds(config_, train, test, per_step, held_out=0):
    return estimated_seconds(config_, Probe("cpu", 62_006, 651_720, per_step), train, test, held_out)


def test_every_epoch_is_trained_and_tested():
    # 10 epochs of 500 steps of 0.2 s, and 10 times 10,000 images at a third of 0.002 s.
    assert seconds(config(epochs=10, batch_size=100), 50_000, 10_000, 0.2) == pytest.approx(1000 + 200 / 3)


def test_validation_images_are_evaluated_in_each_epoch_and_test_images_once():
    # 4 epochs of 45 steps of 1 s, and 4 times 500 and once 3,000 images at a third of 0.01 s.
    held_out = config(0.1, epochs=4, batch_size=100)
    assert seconds(held_out, 4_500, 3_000, 1.0, 500) == pytest.approx(180 + (2_000 + 3_000) * 0.01 / 3)


@pytest.mark.parametrize(("every", "evaluations"), [(1, 20), (4, 5), (6, 4), (20, 1), (21, 1)])
def test_evaluations_by_the_step_are_counted_with_the_last_one(every, evaluations):
    by_step = config(epochs=2, batch_size=100, evaluate_every=every)
    assert seconds(by_step, 1_000, 300, 1.0) == pytest.approx(20 + evaluations * 1.0)


def test_an_end_within_an_epoch_is_counted_to_there():
    # 13 of 10 steps an epoch: two evaluations.
    assert seconds(config(epochs=9, batch_size=10, max_steps=13), 100, 30, 1.0) == pytest.approx(13 + 2 * 1.0)


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({"augment": {"test_time": "flip"}}, 2 / 3),
        ({"augment": {"test_time": "flip-shift"}}, 2),
        ({"optimizer": {"sam": 0.05}}, 1 / 6),
        ({"augment": {"test_time": "flip-shift"}, "optimizer": {"sam": 0.05}}, 1),
    ],
)
def test_evaluation_costs_its_share_of_the_passes_of_a_step(changes, share):
    costly = Config.model_validate({"training": {"epochs": 1, "batch_size": 10}, **changes})
    assert seconds(costly, 100, 30, 1.0) == pytest.approx(10 + 3 * share)


def test_a_smaller_batch_costs_less():
    # 3 images are less than a third of a batch, 13 are one and 3 images more.
    assert seconds(config(epochs=1, batch_size=10), 3, 0, 1.0) == pytest.approx(0.3)
    assert seconds(config(epochs=2, batch_size=10), 13, 0, 1.0) == pytest.approx(2.6)
    assert seconds(config(epochs=2, batch_size=10, max_steps=3), 13, 0, 1.0) == pytest.approx(2.3)


def test_the_last_batch_can_be_left_out_unless_it_is_the_only_one():
    without = config(batch_size=100, epochs=2, drop_last=True)
    assert [steps_per_epoch(without, images) for images in (99, 100, 199, 200, 250)] == [1, 1, 1, 2, 2]
    # 2 epochs of 2 steps, and 2 times 90 images at a third of 0.01 s.
    assert seconds(without, 250, 90, 1.0) == pytest.approx(4 + 2 * 90 * 0.01 / 3)


def test_without_images_nothing_is_made():
    assert total_steps(config(), 0) == 0
    assert seconds(config(), 0, 10_000, 1.0) == 0


def test_steps_are_counted():
    assert steps_per_epoch(config(batch_size=4), 50_000) == 12_500
    assert steps_per_epoch(config(batch_size=3), 10) == 4
    assert total_steps(config(batch_size=3, epochs=5), 10) == 20
    assert total_steps(config(batch_size=3, epochs=5, max_steps=7), 10) == 7
    assert total_steps(config(batch_size=3, epochs=5, max_steps=70), 10) == 20


@pytest.mark.parametrize(
    ("data", "training"),
    [
        ({}, {}),
        ({"validation": 0.25}, {}),
        ({}, {"evaluate_every": 3}),
        ({}, {"evaluate_every": 7}),
        ({"validation": 0.25}, {"evaluate_every": 4}),
        ({}, {"max_steps": 5}),
        ({"validation": 0.25}, {"max_steps": 7}),
        ({}, {"max_steps": 7, "evaluate_every": 7}),
        ({"limit": 19}, {"batch_size": 30}),
        ({"limit": 19}, {"batch_size": 30, "drop_last": True}),
        ({}, {"drop_last": True, "batch_size": 7}),
        ({"folds": 7, "fold": 4}, {}),
        ({"folds": 7, "fold": 5}, {}),
        ({"classes": ["ring", "disc"], "imbalance": 3.0, "validation": 0.25, "stratified": True}, {}),
    ],
    ids=str,
)
def test_it_counts_what_a_training_makes(data, training):
    tree = {
        "data": {"kind": "synthetic", "limit": 60, **data},
        "training": {"epochs": 2, "batch_size": 8, "threads": 1, "device": "cpu", **training},
    }
    real = Config.model_validate(tree)
    steps, evaluated = 0, 0
    with closing(trainer.run(real, Control())) as events:
        for event in events:
            match event:
                case RunStarted():
                    started = event
                case StepCompleted():
                    steps += 1
                case Evaluated():
                    evaluated += sum(event.class_total)
    sizes = split_sizes(real.data, [1_000] * (len(real.data.classes) or 10))
    assert sizes == (started.train_images, started.val_images)
    assert total_steps(real, sizes[0]) == started.total_steps == steps
    assert steps_per_epoch(real, sizes[0]) == started.steps_per_epoch
    # At one second an image in training, what is not training is evaluation.
    batch = real.training.batch_size
    epochs, rest = divmod(steps, started.steps_per_epoch)
    seen = min(started.steps_per_epoch * batch, sizes[0])
    trained = epochs * seen + min(rest * batch, seen)
    assert seconds(real, sizes[0], started.test_images, float(batch), sizes[1]) == pytest.approx(
        trained + evaluated / 3
    )


HELD_OUT = st.one_of(
    st.just({}),
    st.builds(lambda share: {"validation": share}, st.sampled_from([0.1, 0.25, 0.5, 0.75]) | st.floats(0.01, 0.999)),
    st.builds(lambda fold: {"folds": 4, "fold": fold}, st.integers(1, 4)),
)


@given(
    st.lists(st.integers(8, 20), min_size=1, max_size=6),
    st.none() | st.integers(8, 120),
    HELD_OUT,
    st.booleans(),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.integers(0, 2**63 - 1),
)
def test_sizes_are_those_that_dividing_makes(sizes, limit, held_out, stratified, imbalance, seed):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    random.Random(seed).shuffle(labels)
    config = Data(kind="synthetic", limit=limit, stratified=stratified, imbalance=imbalance, **held_out)
    told = split_sizes(config, sizes)
    try:
        train, val = splits.divide(torch.tensor(labels), config, "abcdef"[: len(sizes)], seed)
    except DataError:
        assume(False)
    if told is None:
        assert imbalance > 1
        assert val is not None
    else:
        assert told == (len(train), 0 if val is None else len(val))


def test_sizes_that_only_a_draw_can_tell_are_not_guessed():
    sizes = [5_000] * 10
    assert split_sizes(Data(imbalance=100.0), sizes) == (12_406, 0)
    assert split_sizes(Data(imbalance=100.0, validation=0.1, stratified=True), sizes) == (11_165, 5_000)
    assert split_sizes(Data(imbalance=100.0, validation=0.1), sizes) is None
    assert split_sizes(Data(imbalance=100.0, folds=5), sizes) is None
    assert split_sizes(Data(folds=3, fold=3), sizes) == (33_334, 16_666)


def test_it_waits_for_nothing_heavy():
    code = "import sys, cifar_core.estimate; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
