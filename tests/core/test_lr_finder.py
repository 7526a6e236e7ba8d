"""A range test trains by the engine's own loop, at rates that rise, and ends where losses are beyond all bounds."""

import pytest
import torch

from cifar_core import lr_finder, session
from cifar_core.config import Config
from cifar_core.events import Preparing, RunStarted, StepCompleted
from cifar_core.lr_curve import smooth, suggested
from cifar_core.lr_finder import range_for, range_test, steps_for


def config(optimizer=None, data=None, **training):
    return Config.model_validate(
        {
            "model": {"name": "lenet-notes-bn"},
            "data": {"kind": "synthetic", "limit": 600, **(data or {})},
            "optimizer": optimizer or {"lr": 0.05},
            "training": {"batch_size": 16, "threads": 1, "device": "cpu", **training},
        }
    )


def steps_of(config_, low=1e-4, high=10.0, steps=60):
    return [event for event in range_test(config_, low=low, high=high, steps=steps) if isinstance(event, StepCompleted)]


def test_rates_rise_by_one_ratio_from_the_lowest_to_the_highest():
    made = steps_of(config(), 1e-6, 1e-3, 31)
    assert [step.step for step in made] == list(range(1, 32))
    assert [step.learning_rate for step in made] == pytest.approx([10 ** (-6 + place / 10) for place in range(31)])


def test_the_first_loss_is_that_of_the_first_step_of_the_training():
    from cifar_core.control import Control
    from cifar_core.trainer import run

    first = next(event for event in run(config(), Control()) if isinstance(event, StepCompleted))
    assert steps_of(config(), steps=3)[0].loss == first.loss


def test_the_images_are_gone_through_as_often_as_it_takes():
    made = steps_of(config(data={"limit": 40}), 1e-6, 1e-3, 12)
    assert [step.epoch for step in made] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3


def test_it_ends_where_the_loss_is_beyond_all_bounds():
    made = steps_of(config(), 1e-4, 1e6, 100)
    assert 10 < len(made) < 100
    assert made[-1].loss is None or made[-1].loss > made[0].loss


def test_what_it_finds_trains():
    suggestion = suggested(smooth([(step.learning_rate, step.loss) for step in steps_of(config(), steps=400)]))
    assert 0.001 < suggestion.steepest.rate < 1.0
    assert suggestion.lowest.loss < suggestion.steepest.loss < 2.4


def test_rates_in_proportion_and_other_optimizers_take_part():
    optimizer = {"name": "muon", "lr": 0.02, "lookahead": 3, "sam": 0.01, "lr_epochs": ["linear1.bias = 0.1"]}
    assert all(step.loss is not None for step in steps_of(config(optimizer), 1e-6, 1e-4, 12))


def test_nothing_is_evaluated(monkeypatch):
    def evaluated(*_, **__):
        raise AssertionError("an image that is not trained on was looked at")

    monkeypatch.setattr(session, "evaluated", evaluated)
    made = steps_of(config(data={"limit": 40, "validation": 0.2}, evaluate_every=2, patience=1), 1e-6, 1e-3, 12)
    assert len(made) == 12


def test_what_comes_before_the_steps_is_told():
    kinds = [type(event) for event in range_test(config(), low=1e-4, high=1e-3, steps=2)]
    assert kinds[-3:] == [RunStarted, StepCompleted, StepCompleted]
    assert set(kinds[:-3]) <= {Preparing}


def test_it_ends_when_nobody_listens():
    test = range_test(config(), low=1e-4, high=1e-3, steps=50)
    next(event for event in test if isinstance(event, StepCompleted))
    test.close()
    assert list(test) == []


def test_steps_and_rates_suit_the_experiment():
    assert [steps_for(config(batch_size=size)) for size in (4, 50, 512)] == [3000, 1000, 200]
    assert range_for(config({"lr": 0.05})) == pytest.approx((5e-5, 50.0))
    assert lr_finder.DECADES == 3


def test_the_weights_start_from_the_seed():
    torch.manual_seed(1)
    first = steps_of(config(), steps=3)
    torch.manual_seed(2)
    assert [step.loss for step in steps_of(config(), steps=3)] == [step.loss for step in first]
