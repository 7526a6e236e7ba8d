"""The kinds of dropout: the noise has mean 1 and the variance that its share says, and only in training."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from cifar_core.config import Model
from cifar_core.models.dropout import Gaussian, Kind, Uniform, noise
from cifar_core.models.notes import conv3
from cifar_core.models.vit import vit
from cifar_core.models.wide import wide_resnet

KINDS = get_args(Kind)
CLASSES = {"dropout": nn.Dropout, "gaussian": Gaussian, "uniform": Uniform}
DRAWS = 400_000


pytestmark = pytest.mark.usefixtures("seeded", "one_thread")


def fourth_moment(kind, share, variance):
    """Mean of the fourth power of the factor's distance from its mean of 1."""
    return {
        "dropout": share + (1 - share) * (1 / (1 - share) - 1) ** 4,
        "gaussian": 3 * variance**2,
        "uniform": (3 * variance) ** 2 / 5,
    }[kind]


def test_the_kinds_are_those_of_the_configuration():
    assert get_args(Model.model_fields["dropout_kind"].annotation) == KINDS


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_multiplied_by_noise_of_mean_1_and_the_variance_of_dropout(kind, share):
    factors = noise(kind, share)(torch.full((DRAWS,), 3.0)).double() / 3
    variance = share / (1 - share)
    # Five standard errors of each estimate.
    assert factors.mean().item() == pytest.approx(1, abs=5 * (variance / DRAWS) ** 0.5)
    spread = fourth_moment(kind, share, variance) - variance**2
    # Dropout at one half has but two values, as far from 1: its second estimate varies as the square of the first.
    tolerance = 5 * (spread / DRAWS) ** 0.5 + 25 * variance / DRAWS
    assert (factors - 1).square().mean().item() == pytest.approx(variance, abs=tolerance)


def test_uniform_noise_fills_its_interval_evenly():
    share = 0.1
    bound = (3 * share / (1 - share)) ** 0.5
    factors = noise("uniform", share)(torch.ones(DRAWS))
    # In float32 the ends may be rounded outwards.
    assert factors.min() >= 1 - bound - 1e-6
    assert factors.max() <= 1 + bound + 1e-6
    counts = torch.histc(factors, bins=8, min=1 - bound, max=1 + bound)
    assert ((counts - DRAWS / 8).abs() < 5 * (DRAWS * 7 / 64) ** 0.5).all()


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_noise_for_bfloat16_keeps_its_mean_and_the_inputs_type(kind):
    factors = noise(kind, 0.5)(torch.ones(DRAWS, dtype=torch.bfloat16))
    assert factors.dtype == torch.bfloat16
    assert factors.double().mean().item() == pytest.approx(1, abs=5 * DRAWS**-0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_multiplied_by_the_same_noise(kind):
    features = torch.full((1000,), 2.0, requires_grad=True)
    outputs = noise(kind, 0.5)(features)
    outputs.sum().backward()
    torch.testing.assert_close(features.grad, outputs.detach() / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_changes_nothing_and_draws_nothing(kind):
    features = torch.randn(4, 5)
    generator = torch.get_rng_state()
    assert torch.equal(noise(kind, 0.5).eval()(features), features)
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_0_changes_nothing_in_training(kind):
    features = torch.randn(4, 5)
    assert torch.equal(noise(kind, 0.0)(features), features)


@pytest.mark.parametrize("kind", KINDS)
def test_one_state_of_the_generator_gives_one_noise(kind):
    layer, features = noise(kind, 0.5), torch.ones(100)
    torch.manual_seed(7)
    first = layer(features)
    second = layer(features)
    torch.manual_seed(7)
    assert torch.equal(layer(features), first)
    assert not torch.equal(second, first)


def places(model, kind):
    return [name for name, layer in model.named_modules() if isinstance(layer, CLASSES[kind])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_notes_network_has_its_kind_before_the_linear_layers_that_have_a_share(kind):
    model = conv3(10, (0.5, 0.0, 0.25), kind)
    assert places(model, kind) == ["dropout1", "dropout3"]
    names = [name for name, _ in model.named_children()]
    assert names[names.index("dropout3") + 1] == "linear3"


@pytest.mark.parametrize("kind", KINDS)
def test_a_wide_resnet_has_it_before_the_second_convolution_of_every_block(kind):
    model = wide_resnet(16, 1, 10, (0.3,), kind)
    blocks = [f"stage{stage}.block{block}" for stage in (1, 2, 3) for block in (1, 2)]
    assert places(model, kind) == [f"{block}.dropout" for block in blocks]
    block = model.get_submodule("stage2.block1")
    seen = []
    block.conv2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    block.dropout.register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0], output)))
    block(torch.randn(2, 16, 8, 8))
    before, after, taken = seen
    assert taken is after
    assert not torch.equal(before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vit_has_it_after_the_positions_and_after_the_linear_layers_of_its_blocks(kind):
    with torch.device("meta"):
        model = vit(10, (0.1,), kind)
    inside = [f"blocks.block{n}.{place}" for n in range(1, 8) for place in ("dropout", "mlp.dropout1", "mlp.dropout2")]
    assert places(model, kind) == ["dropout", *inside]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_share_no_network_has_any(kind):
    with torch.device("meta"):
        for model in (conv3(10, (), kind), wide_resnet(10, 1, 10, (), kind), vit(10, (), kind)):
            assert places(model, kind) == []


@pytest.mark.parametrize("network", [conv3, lambda *arguments: wide_resnet(10, 1, *arguments), vit])
@pytest.mark.parametrize("kind", KINDS)
def test_a_networks_outputs_vary_in_training_alone(network, kind):
    model, images = network(10, (0.5,), kind), torch.randn(2, 3, 32, 32)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
