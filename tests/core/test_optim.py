"""Optimizers get their figures, and schedules agree with PyTorch's where both are defined."""

from __future__ import annotations

import copy
import math
import sys
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from schedulefree import AdamWScheduleFree
from torch import nn, optim

from cifar_core.config import (
    Adam,
    AdamW,
    Constant,
    Cosine,
    Linear,
    Lion,
    MultiStep,
    OneCycle,
    Optimizer,
    ScheduleFreeAdamW,
    Sgd,
    Step,
)
from cifar_core.errors import ConfigError
from cifar_core.optim.lion import Lion as LionOptimizer
from cifar_core.optim.registry import build
from cifar_core.optim.schedules import factor
from cifar_core.validation import parse


def curve(schedule, total_steps, steps_per_epoch=10):
    return [
        factor(schedule, step, total_steps=total_steps, steps_per_epoch=steps_per_epoch) for step in range(total_steps)
    ]


def torchs_curve(scheduler, length, **options):
    """The rates that one of PyTorch's schedulers gives each step, at a base rate of 1."""
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = scheduler(optimizer, **options)
    rates = []
    for _ in range(length):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < length:
            schedule.step()
    return rates


# Optimizers


@pytest.mark.parametrize(
    ("config", "kind", "figures"),
    [
        (
            Sgd(lr=0.2, momentum=0.8, nesterov=True, weight_decay=0.01),
            optim.SGD,
            {"lr": 0.2, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
        ),
        (
            Adam(lr=0.02, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.03),
            optim.Adam,
            {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.03},
        ),
        (
            AdamW(lr=0.02, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.03),
            optim.AdamW,
            {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.03},
        ),
        (
            Lion(lr=0.02, betas=(0.8, 0.9), weight_decay=0.03),
            LionOptimizer,
            {"lr": 0.02, "betas": (0.8, 0.9), "weight_decay": 0.03},
        ),
        (
            ScheduleFreeAdamW(lr=0.02, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.03),
            AdamWScheduleFree,
            {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.03},
        ),
    ],
)
def test_the_optimizer_has_all_configured_figures(config, kind, figures):
    optimizer = build(config, nn.Linear(2, 2))
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert {key: group[key] for key in figures} == figures
    # Nothing that can be configured is left out above: what every optimizer has is a matter of groups and of steps.
    assert set(figures) == set(type(config).model_fields) - (set(Optimizer.model_fields) - {"lr"}) - {"name"}


@pytest.mark.parametrize(
    ("config", "plain"),
    [
        (
            Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
            lambda parameters: optim.SGD(parameters, 0.1, 0.9, nesterov=True, weight_decay=0.01, fused=False),
        ),
        (Adam(lr=0.1), lambda parameters: optim.Adam(parameters, 0.1, fused=False)),
        (AdamW(lr=0.1), lambda parameters: optim.AdamW(parameters, 0.1, fused=False)),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_updates_in_one_pass_equal_those_of_one_pass_for_each_operation(config, plain):
    torch.manual_seed(0)
    ours = nn.Linear(20, 10)
    theirs = copy.deepcopy(ours)
    optimizers = build(config, ours), plain(theirs.parameters())
    for _ in range(5):
        images = torch.randn(4, 20)
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            model(images).square().sum().backward()
            optimizer.step()
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)


def test_frozen_parameters_are_left_to_themselves():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(requires_grad=False)
    assert build(Sgd(), model).param_groups[0]["params"] == [model.weight]


def test_a_model_with_nothing_to_train_is_an_error():
    with pytest.raises(ValueError, match="empty parameter list"):
        build(Sgd(), nn.ReLU())


def lions_textbook(weight, gradients, lr, betas, weight_decay):
    """Algorithm 2 of the paper, line by line."""
    momentum = torch.zeros_like(weight)
    for gradient in gradients:
        direction = betas[0] * momentum + (1 - betas[0]) * gradient
        weight = weight - lr * (direction.sign() + weight_decay * weight)
        momentum = betas[1] * momentum + (1 - betas[1]) * gradient
    return weight


def test_lion_makes_the_steps_of_its_paper():
    torch.manual_seed(0)
    model = nn.Linear(5, 4, bias=False)
    gradients = [torch.randn(4, 5) for _ in range(6)]
    expected = lions_textbook(model.weight.detach().clone(), gradients, 0.1, (0.7, 0.9), 0.3)
    optimizer = build(Lion(lr=0.1, betas=(0.7, 0.9), weight_decay=0.3), model)
    for gradient in gradients:
        model.weight.grad = gradient
        optimizer.step()
    torch.testing.assert_close(model.weight.detach(), expected)


def test_a_missing_library_is_one_sentence_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    with pytest.raises(ConfigError, match=r'optimizer.name: .* pip install "cifar-tui\[schedule-free\]"'):
        build(ScheduleFreeAdamW(), nn.Linear(2, 2))


# Schedules


def test_constant_is_one_throughout():
    assert curve(Constant(), 30) == [1.0] * 30


@pytest.mark.parametrize("every", [1, 2, 0.5])
def test_step_equals_torchs(every):
    expected = torchs_curve(optim.lr_scheduler.StepLR, 55, step_size=round(every * 10), gamma=0.3)
    assert curve(Step(every=every, factor=0.3), 55) == pytest.approx(expected)


@pytest.mark.parametrize("milestones", [(1,), (2, 3.5), (3, 1, 1)])
def test_multistep_equals_torchs(milestones):
    in_steps = [round(10 * milestone) for milestone in milestones]
    expected = torchs_curve(optim.lr_scheduler.MultiStepLR, 50, milestones=in_steps, gamma=0.2)
    assert curve(MultiStep(milestones=milestones, factor=0.2), 50) == pytest.approx(expected)


@pytest.mark.parametrize("total_steps", [1, 2, 57])
@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_equals_torchs(total_steps, final):
    expected = torchs_curve(optim.lr_scheduler.CosineAnnealingLR, total_steps, T_max=total_steps, eta_min=final)
    assert curve(Cosine(final=final), total_steps) == pytest.approx(expected)


@pytest.mark.parametrize(("total_steps", "rise"), [(10, 0.3), (57, 0.3), (100, 0.25), (7, 0.9), (4, 0.5)])
def test_onecycle_equals_torchs(total_steps, rise):
    expected = torchs_curve(
        optim.lr_scheduler.OneCycleLR,
        total_steps,
        max_lr=1.0,
        total_steps=total_steps,
        pct_start=rise,
        div_factor=1 / 0.04,
        final_div_factor=0.04 / 0.001,
        cycle_momentum=False,
    )
    assert curve(OneCycle(rise=rise, start=0.04, final=0.001), total_steps) == pytest.approx(expected)


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_onecycle_too_short_to_rise_begins_at_its_peak(total_steps):
    rates = curve(OneCycle(rise=0.3, start=0.1, final=0.01), total_steps)
    assert rates[0] == 1.0
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert total_steps == 1 or rates[-1] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("schedule", "reached"),
    [
        (Constant(warmup_epochs=2), 1.0),
        (Cosine(warmup_epochs=2), 1.0),
        (OneCycle(warmup_epochs=2, start=0.2), 0.2),
        (Step(warmup_epochs=2, every=5), 1.0),
        (Step(warmup_epochs=2, every=1, factor=0.5), 0.25),
        (MultiStep(warmup_epochs=2, milestones=(1, 4), factor=0.5), 0.5),
    ],
)
def test_warm_up_rises_in_equal_parts_to_where_the_schedule_proper_starts(schedule, reached):
    rates = curve(schedule, 60)
    assert rates[:20] == pytest.approx([reached * part / 20 for part in range(1, 21)])
    assert rates[20] == pytest.approx(reached)


@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_the_curve_after_a_warm_up_is_that_of_a_training_without_one(kind):
    assert curve(kind(warmup_epochs=1.5), 60)[15:] == curve(kind(), 45)


def test_epochs_of_step_and_multistep_count_from_the_start_of_the_training():
    assert curve(Step(warmup_epochs=1, every=3), 60)[10:] == curve(Step(every=3), 60)[10:]
    assert curve(MultiStep(warmup_epochs=1, milestones=(3,)), 60)[10:] == curve(MultiStep(milestones=(3,)), 60)[10:]


def test_warm_up_rounds_to_whole_steps():
    assert curve(Constant(warmup_epochs=0.04), 3) == [1.0, 1.0, 1.0]
    assert curve(Constant(warmup_epochs=0.26), 4) == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])


def test_a_warm_up_longer_than_the_training_rises_to_the_end():
    for schedule in (Constant(warmup_epochs=100), Cosine(warmup_epochs=100), Step(warmup_epochs=100, every=1000)):
        assert curve(schedule, 5) == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.005])


@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_beyond_its_last_step_a_curve_stays_where_it_ended(kind):
    beyond = [factor(kind(final=0.1), step, total_steps=30, steps_per_epoch=10) for step in (30, 31, 45, 1000)]
    assert beyond == pytest.approx([0.1] * 4)


@pytest.mark.parametrize("schedule", [Constant(), Cosine(warmup_epochs=0.5), Linear(), OneCycle()])
def test_for_parameters_of_the_first_epochs_the_schedule_spans_these_and_then_comes_0(schedule):
    spanned = [factor(schedule, step, total_steps=60, steps_per_epoch=10, epochs=2.5) for step in range(60)]
    assert spanned == curve(schedule, 25) + [0.0] * 35


def test_first_epochs_beyond_the_end_are_all_epochs():
    spanned = [factor(Linear(), step, total_steps=60, steps_per_epoch=10, epochs=9) for step in range(60)]
    assert spanned == curve(Linear(), 60)


def test_figures_beyond_all_measure_are_only_large():
    assert curve(Step(every=1e308), 2) == [1.0, 1.0]
    assert curve(MultiStep(milestones=(1e308,)), 2) == [1.0, 1.0]
    assert 0 < curve(Constant(warmup_epochs=1e308), 2)[0] < 1e-15
    assert factor(Step(every=1e-308, factor=0.1), 10**9, total_steps=10**9, steps_per_epoch=1) == 0.0


shares = st.floats(0, 1)
warmups = st.one_of(st.just(0.0), st.floats(0, 20))
factors = st.floats(0, 1, exclude_min=True)
schedules = st.one_of(
    st.builds(Constant, warmup_epochs=warmups),
    st.builds(Step, warmup_epochs=warmups, every=st.floats(0.001, 50), factor=factors),
    st.builds(
        MultiStep,
        warmup_epochs=warmups,
        milestones=st.lists(st.floats(0.001, 50), min_size=1, max_size=5).map(tuple),
        factor=factors,
    ),
    st.builds(Cosine, warmup_epochs=warmups, final=shares),
    st.builds(OneCycle, warmup_epochs=warmups, rise=st.floats(0.01, 0.99), start=shares, final=shares),
)


@given(schedules, st.integers(0, 500), st.integers(1, 300), st.integers(1, 40))
def test_every_factor_is_a_share_of_the_base_rate(schedule, step, total_steps, steps_per_epoch):
    value = factor(schedule, step, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    assert 0 <= value <= 1 + 1e-12


@given(
    st.one_of(
        st.builds(Constant, warmup_epochs=warmups),
        st.builds(Cosine, warmup_epochs=warmups, final=shares),
        st.builds(OneCycle, warmup_epochs=warmups, rise=st.floats(0.01, 0.99), start=shares, final=shares),
    ),
    st.integers(30, 300),
)
def test_smooth_schedules_never_jump(schedule, total_steps):
    rates = curve(schedule, total_steps)
    warm = round(schedule.warmup_epochs * 10)
    span = max(1, total_steps - warm)
    # A half cosine over n steps is at most pi / 2n steep; a rise no longer than one step is not smooth.
    shortest = span
    if isinstance(schedule, OneCycle):
        shortest = min(schedule.rise * span - 1, (1 - schedule.rise) * span)
    if shortest < 1:
        return
    steepest = max(math.pi / 2 / shortest, 1 / warm if warm else 0)
    assert all(abs(after - before) <= steepest + 1e-9 for before, after in pairwise(rates))


# Choices that exclude each other


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"optimizer": {"name": "muon"}, "training": {"precision": "fp16"}}, "training.precision: .* muon takes bf16"),
        ({"optimizer": {"name": "lion"}, "training": {"precision": "fp16"}}, "training.precision: .* lion takes bf16"),
        ({"optimizer": {"name": "schedule-free-adamw", "lookahead": 5}}, "optimizer.lookahead: .* averages"),
        ({"optimizer": {"name": "schedule-free-adamw", "betas": [0.0, 0.9]}}, "optimizer.betas: the first must be"),
        ({"optimizer": {"name": "sgd", "lr_factors": ["conv1"]}}, "optimizer.lr_factors: must be of the form"),
    ],
)
def test_choices_that_exclude_each_other_are_told(tree, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse(tree)
