"""The networks: their sizes, their layers' names, their starting weights, and ResNet-18 against its reference."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

from cifar_core.config import Model
from cifar_core.models import names
from cifar_core.models.registry import build
from cifar_core.models.size import multiply_adds, parameters

NAMES = ("lenet-notes", "lenet-notes-bn", "conv3-notes", "resnet18")
"""Those that are looked at closely here; ``test_networks`` and ``test_zoo`` have the others."""


pytestmark = pytest.mark.usefixtures("seeded")


def layer_names(model):
    return [name for name, _ in model.named_children()]


@pytest.mark.parametrize("name", [*names.OWN, "wrn-10-1", "resnext29-2x3d", "densenet-bc-40-12"])
def test_every_network_that_a_configuration_can_name_is_built(name):
    with torch.device("meta"):
        model = build(Model(name=name, dropout=(0.3,) * names.dropouts(name)), 7)
        assert model(torch.empty(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", ["wrn-\u0661\u0666-4", "wrn-15-4", "resnext29-0x4d", "densenet-bc-41-12"])
def test_what_only_looks_like_a_network_of_a_family_is_an_error(name):
    with pytest.raises(ValueError, match=r"name: (no network is called|\S+-\S+ needs)"):
        Model(name=name)


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("name", NAMES)
def test_logits_have_one_row_for_each_image_and_one_column_for_each_class(name, classes):
    model = build(Model(name=name), classes)
    logits = model(torch.randn(3, 3, 32, 32))
    assert logits.shape == (3, classes)
    assert logits.dtype == torch.float32
    assert model.training


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name):
    model = build(Model(name=name), 10)
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_set_of_weights(name):
    torch.manual_seed(5)
    first = build(Model(name=name), 10).state_dict()
    torch.manual_seed(5)
    second = build(Model(name=name), 10).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet-notes", 62_006),
        # Without 6 + 16 convolution biases, with as many scales and shifts.
        ("lenet-notes-bn", 62_006 - 22 + 2 * 22),
        (
            "conv3-notes",
            9 * (3 * 32 + 32 * 64 + 64 * 128) + 2 * (32 + 64 + 128) + 2049 * 120 + 121 * 84 + 85 * 10,
        ),
        ("resnet18", 11_173_962),
    ],
)
def test_parameters_are_as_many_as_the_layers_say(name, expected):
    assert parameters(build(Model(name=name), 10)) == expected


def test_frozen_parameters_do_not_count():
    model = build(Model(name="lenet-notes"), 10)
    model.get_submodule("conv1").requires_grad_(requires_grad=False)
    assert parameters(model) == 62_006 - (3 * 6 * 25 + 6)


def test_multiply_adds_of_lenet_are_those_of_hand_arithmetic():
    conv1 = 6 * 28 * 28 * (3 * 5 * 5)
    conv2 = 16 * 10 * 10 * (6 * 5 * 5)
    linear = 400 * 120 + 120 * 84 + 84 * 10
    assert multiply_adds(build(Model(name="lenet-notes"), 10)) == conv1 + conv2 + linear == 651_720


def test_multiply_adds_of_resnet18_are_those_of_hand_arithmetic():
    def stage(inputs, outputs, side):
        first, others = 9 * inputs * outputs, 3 * 9 * outputs * outputs
        shortcut = inputs * outputs if inputs != outputs else 0
        return side * side * (first + others + shortcut)

    stem = 32 * 32 * 9 * 3 * 64
    stages = stage(64, 64, 32) + stage(64, 128, 16) + stage(128, 256, 8) + stage(256, 512, 4)
    assert multiply_adds(build(Model(name="resnet18"), 10)) == stem + stages + 512 * 10


def test_counting_multiply_adds_leaves_model_and_generator_untouched():
    model = build(Model(name="conv3-notes", dropout=(0.5,)), 10)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    multiply_adds(model)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(module.training for module in model.modules())
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert {value.device.type for value in after.values()} == {"cpu"}


def test_layers_are_named_as_a_graph_would_show_them():
    convolutions = ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2"]
    head = ["flatten", "linear1", "relu3", "linear2", "relu4", "linear3"]
    assert layer_names(build(Model(name="lenet-notes"), 10)) == convolutions + head
    resnet = dict(build(Model(name="resnet18"), 10).named_modules())
    for name in ("stem.conv", "stage1.block1.conv1", "stage2.block1.shortcut.conv", "stage4.block2.norm2", "linear"):
        assert name in resnet


def test_convolutions_before_a_normalisation_have_no_bias():
    for name in ("lenet-notes-bn", "conv3-notes", "resnet18"):
        for layer in build(Model(name=name), 10).modules():
            assert not isinstance(layer, nn.Conv2d) or layer.bias is None


@pytest.mark.parametrize(
    ("dropout", "places"),
    [
        ((), {}),
        ((0.5,), {"linear1": 0.5}),
        ((0.0, 0.25), {"linear2": 0.25}),
        ((0.5, 0.4, 0.3), {"linear1": 0.5, "linear2": 0.4, "linear3": 0.3}),
    ],
)
def test_dropout_stands_right_before_its_linear_layer(dropout, places):
    layers = list(build(Model(name="conv3-notes", dropout=dropout), 10).named_children())
    found = {following: layer.p for (_, layer), (following, _) in pairwise(layers) if isinstance(layer, nn.Dropout)}
    assert found == places


def test_resnet18_computes_what_torchvisions_does():
    reference = torchvision.models.resnet18(num_classes=10)
    reference.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    reference.maxpool = nn.Identity()
    model = build(Model(name="resnet18"), 10)
    ours, theirs = model.state_dict(), reference.state_dict()
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    images = torch.randn(4, 3, 32, 32)
    # In training mode first: it also moves the normalisations' averages, that the second pass uses.
    torch.testing.assert_close(model(images), reference(images))
    torch.testing.assert_close(model.eval()(images), reference.eval()(images))


def test_default_initialisation_is_pytorchs_own():
    torch.manual_seed(1)
    expected = nn.Conv2d(3, 6, 5).weight
    torch.manual_seed(1)
    assert torch.equal(build(Model(name="lenet-notes"), 10).get_submodule("conv1").weight, expected)


@pytest.mark.parametrize("init", ["kaiming", "xavier"])
@pytest.mark.parametrize("name", NAMES)
def test_initialisation_gives_weights_their_variance_and_biases_zero(name, init):
    for layer in build(Model(name=name, init=init), 10).modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(layer.weight, torch.ones_like(layer.weight))
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        assert layer.bias is None or not layer.bias.any()
        weight = layer.weight.detach()
        area = weight[0, 0].numel()
        inputs, outputs = weight.shape[1] * area, weight.shape[0] * area
        variance = 2 / inputs if init == "kaiming" else 2 / (inputs + outputs)
        # Five standard errors of a sample variance: that of a normal variable is the wider one.
        tolerance = 5 * (2 / weight.numel()) ** 0.5
        assert weight.square().mean().item() == pytest.approx(variance, rel=tolerance)
        normal = weight.abs().max() > 1.8 * variance**0.5
        assert normal == (init == "kaiming")
