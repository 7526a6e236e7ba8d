"""Extra test sets are looked at once, after the last step, and take no part in anything."""

from __future__ import annotations

import numpy as np
import pytest

from cifar_core import session as sessions
from cifar_core import trainer
from cifar_core.config import Config
from cifar_core.control import Control
from cifar_core.data.synthetic import draw_dataset
from cifar_core.events import Evaluated, RunFinished, StepCompleted, from_json, to_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two sets: the first 200 test images, and the next 100."""
    folder = tmp_path_factory.mktemp("extra")
    test = draw_dataset().test
    for name, part in (("first", slice(0, 200)), ("second", slice(200, 300))):
        np.save(folder / f"{name}_data.npy", test.images[part].permute(0, 2, 3, 1).contiguous().numpy())
        np.save(folder / f"{name}_labels.npy", test.labels[part].numpy())
    return folder


@pytest.fixture
def experiment(folder):
    def configured(extra=True, **data):
        return Config.model_validate(
            {
                "data": {"kind": "synthetic", "limit": 100, "extra_tests": [str(folder)] if extra else [], **data},
                "training": {"epochs": 2, "batch_size": 20, "threads": 1, "device": "cpu"},
            }
        )

    return configured


def events_of(config, folder=None, resume=None, stop_at=lambda _event: False):
    """All events of a training, which is asked to stop when ``stop_at`` says so."""
    control, events = Control(), []
    for event in trainer.run(config, control, checkpoint_dir=folder, resume=resume):
        events.append(event)
        if stop_at(event):
            control.stop()
    return events


def looked_at(events):
    return [(event.split, event.extra_test, event.step) for event in events if isinstance(event, Evaluated)]


@pytest.mark.parametrize(
    ("validation", "before", "last"),
    [
        (0.0, [("test", None, 5), ("test", None, 10)], 10),
        (0.2, [("val", None, 4), ("val", None, 8), ("test", None, 8)], 8),
    ],
)
def test_they_come_last_and_once_each(experiment, validation, before, last):
    events = events_of(experiment(validation=validation))
    assert looked_at(events) == [*before, ("extra", "first", last), ("extra", "second", last)]


def test_their_figures_are_those_of_their_images_and_the_test_accuracy_is_another_one(experiment):
    events = events_of(experiment())
    extra = {event.extra_test: event for event in events if isinstance(event, Evaluated) and event.extra_test}
    assert {name: sum(event.class_total) for name, event in extra.items()} == {"first": 200, "second": 100}
    for event in extra.values():
        assert event.top1 == pytest.approx(sum(event.class_correct) / sum(event.class_total))
        assert not event.best
        assert from_json(to_json(event)) == event
    [tested] = [event for event in events if isinstance(event, Evaluated) and (event.split, event.step) == ("test", 10)]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].final_top1 == tested.top1
    assert events[-1].extra_top1 == {name: event.top1 for name, event in extra.items()}
    assert from_json(to_json(events[-1])) == events[-1]


def test_no_step_depends_on_them(experiment):
    with_them, without = [events_of(experiment(extra=extra)) for extra in (True, False)]
    losses = [[event.loss for event in events if isinstance(event, StepCompleted)] for events in (with_them, without)]
    assert losses[0] == losses[1]


def test_a_training_that_is_stopped_looks_at_them_once_it_has_gone_on_to_its_end(experiment, tmp_path):
    begun = events_of(
        experiment(), tmp_path, stop_at=lambda event: isinstance(event, StepCompleted) and event.step == 7
    )
    assert begun[-1].reason == "stopped"
    assert begun[-1].extra_top1 == {}
    rest = events_of(experiment(), tmp_path, tmp_path)
    assert looked_at([*begun, *rest])[-2:] == [("extra", "first", 10), ("extra", "second", 10)]
    assert rest[-1].extra_top1 == events_of(experiment())[-1].extra_top1


def test_stopped_between_two_of_them_it_goes_on_with_the_second(experiment, tmp_path):
    begun = events_of(
        experiment(), tmp_path, stop_at=lambda event: isinstance(event, Evaluated) and event.extra_test == "first"
    )
    assert begun[-1].reason == "stopped"
    rest = events_of(experiment(), tmp_path, tmp_path)
    assert looked_at(rest) == [("extra", "second", 10)]
    assert rest[-1].extra_top1 == events_of(experiment())[-1].extra_top1
    assert rest[-1].final_top1 == begun[-1].final_top1


def test_a_run_that_is_complete_can_be_tested_on_them_afterwards(experiment, tmp_path):
    parent = events_of(experiment(extra=False), tmp_path / "parent")
    events = events_of(experiment(), tmp_path / "fork", tmp_path / "parent")
    assert not [event for event in events if isinstance(event, StepCompleted)]
    assert looked_at(events) == [("extra", "first", 10), ("extra", "second", 10)]
    assert events[-1].final_top1 == parent[-1].final_top1


def test_a_run_that_goes_on_with_more_epochs_looks_at_them_anew(experiment, tmp_path):
    events_of(experiment(), tmp_path / "parent")
    config = experiment()
    longer = config.model_copy(update={"training": config.training.model_copy(update={"epochs": 3})})
    events = events_of(longer, tmp_path / "fork", tmp_path / "parent")
    assert looked_at(events)[-2:] == [("extra", "first", 15), ("extra", "second", 15)]


def test_where_they_lie_may_change_between_an_interruption_and_going_on(experiment, folder, tmp_path):
    events_of(experiment(), tmp_path / "checkpoints", stop_at=lambda event: isinstance(event, StepCompleted))
    moved = folder.rename(folder.with_name("moved"))
    try:
        rest = events_of(experiment(extra_tests=[str(moved)]), tmp_path / "checkpoints", tmp_path / "checkpoints")
    finally:
        moved.rename(folder)
    assert set(rest[-1].extra_top1) == {"first", "second"}


def test_a_loss_that_is_no_number_is_told_with_the_set_s_name(experiment, monkeypatch):
    measured = sessions.evaluated

    def spoiled(model, images, labels, **options):
        result = measured(model, images, labels, **options)
        return result if len(images) != 200 else type(result)(**{**vars(result), "loss": float("nan")})

    monkeypatch.setattr(sessions, "evaluated", spoiled)
    events = events_of(experiment())
    assert events[-1].reason == "diverged"
    assert events[-1].error.startswith("the first loss was not a finite number after step 10")
