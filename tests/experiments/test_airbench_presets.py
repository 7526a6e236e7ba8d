"""The airbench presets say what the original scripts do, in this project's terms."""

from __future__ import annotations

import pytest

from cifar_core.config.patterns import split_number
from cifar_core.estimate import steps_per_epoch
from cifar_experiments.presets import compose


def rates(optimizer):
    return dict(map(split_number, optimizer.lr_factors))


def test_airbench94s_rates_are_those_of_the_original_for_the_mean_loss():
    config = compose("airbench94").config
    batch, optimizer = config.training.batch_size, config.optimizer
    assert (batch, config.training.epochs) == (2000, 8)
    assert (optimizer.lr, optimizer.momentum, optimizer.rest_momentum) == (0.24, 0.6, 0.85)
    assert optimizer.rest_lr == pytest.approx(0.053 * batch)
    assert optimizer.rest_lr * rates(optimizer)["head.*"] == pytest.approx(0.67 * batch)
    assert optimizer.rest_decay == pytest.approx(2e-6 * batch)


@pytest.mark.parametrize(
    ("name", "lr", "decay", "warmup"), [("airbench95", 10.0, 0.0153, 0.23), ("airbench96", 9.0, 0.012, 0.1)]
)
def test_airbench95_and_96_have_the_originals_rates_for_the_mean_loss(name, lr, decay, warmup):
    config = compose(name).config
    batch, optimizer = config.training.batch_size, config.optimizer
    # Both scripts: lr / kilostep_scale for a loss summed over the batch, wd / lr as torch's weight_decay.
    kilostep_scale = 1024 * (1 + 1 / (1 - optimizer.momentum))
    for_sums = lr / kilostep_scale
    decay_per_step = decay * batch / kilostep_scale
    assert optimizer.lr == pytest.approx(for_sums * batch)
    assert optimizer.lr * optimizer.weight_decay == pytest.approx(decay_per_step, rel=1e-6)
    assert rates(optimizer) == {"*norm*.bias": 64}
    steps = steps_per_epoch(config, 50_000)
    assert steps == 48
    assert config.schedule.warmup_epochs * steps == int(warmup * steps * config.training.epochs)
