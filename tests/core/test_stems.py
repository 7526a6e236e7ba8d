"""How networks for large images are made to take 32 x 32: less is halved, and weights keep their meaning."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision import models

from cifar_core.config import Model
from cifar_core.models import registry
from cifar_core.models import torchvision_zoo as zoo
from cifar_core.models.stems import stem_of

ONE_OF_EACH_FAMILY = {
    "convnext_tiny": "features.7",
    "densenet121": "features.norm5",
    "efficientnet_b0": "features.8",
    "efficientnet_v2_s": "features.7",
    "googlenet": "inception5b",
    "mnasnet1_0": "layers.16",
    "mobilenet_v2": "features.18",
    "mobilenet_v3_large": "features.16",
    "mobilenet_v3_small": "features.12",
    "regnet_x_400mf": "trunk_output",
    "regnet_y_400mf": "trunk_output",
    "resnet18": "layer4",
    "resnet50": "layer4",
    "resnext50_32x4d": "layer4",
    "shufflenet_v2_x1_0": "conv5",
    "swin_t": "features.7",
    "swin_v2_t": "features.7",
    "wide_resnet50_2": "layer4",
}
"""The last layer whose outputs are maps."""


pytestmark = pytest.mark.usefixtures("seeded")


def config(name, **options):
    return Model(name=f"torchvision:{name}", **options)


def native_and_fitted(name):
    with torch.device("meta"):
        network = zoo.build_native(config(name), 10)
        native = {key: value.shape for key, value in network.state_dict().items()}
        zoo.fit(network, config(name))
    return native, network


def maps_of(network, layer):
    """The shape of what a layer returns for one image of 32 x 32."""
    shapes = []
    network.get_submodule(layer).register_forward_hook(lambda _, __, outputs: shapes.append(tuple(outputs.shape[1:])))
    network.eval()(torch.empty(1, 3, 32, 32, device="meta"))
    return shapes[0]


@pytest.mark.parametrize(("name", "layer"), ONE_OF_EACH_FAMILY.items())
def test_maps_of_4_by_4_are_left_in_the_end(name, layer):
    _, network = native_and_fitted(name)
    shape = maps_of(network, layer)
    assert (shape[:2] if "swin" in name else shape[1:]) == (4, 4)  # its channels come last


@pytest.mark.parametrize(
    ("name", "layer", "side"),
    [
        ("alexnet", "features", 6),
        ("squeezenet1_0", "features", 8),  # four halvings, where others have five
        ("squeezenet1_1", "features", 8),
        ("inception_v3", "Mixed_5d", 15),
        ("inception_v3", "Mixed_6e", 7),
        ("inception_v3", "Mixed_7c", 3),
        ("vgg11", "features", 1),
    ],
)
def test_those_that_differ_have_the_maps_that_are_said(name, layer, side):
    _, network = native_and_fitted(name)
    assert maps_of(network, layer)[1:] == (side, side)


CHANGED = {
    "alexnet": {"features.0.weight"},
    "convnext_tiny": {"features.0.0.weight"},
    "densenet121": {"features.conv0.weight"},
    "googlenet": {"conv1.conv.weight"},
    "resnet18": {"conv1.weight"},
    "resnet50": {"conv1.weight"},
    "resnext50_32x4d": {"conv1.weight"},
    "squeezenet1_0": {"features.0.weight"},
    "swin_t": {"features.0.0.weight"},
    "swin_v2_t": {"features.0.0.weight"},
    "vgg11": {"classifier.0.weight"},
    "wide_resnet50_2": {"conv1.weight"},
}


@pytest.mark.parametrize("name", [*ONE_OF_EACH_FAMILY, "alexnet", "inception_v3", "squeezenet1_0", "vgg11"])
def test_all_weights_keep_their_names_and_all_but_a_first_kernel_their_shapes(name):
    native, network = native_and_fitted(name)
    fitted = {key: value.shape for key, value in network.state_dict().items()}
    assert list(fitted) == list(native)
    assert {key for key in native if fitted[key] != native[key]} == CHANGED.get(name, set())


def test_every_family_that_torchvision_has_is_known_or_cannot_be_fitted():
    without = {name for name in models.list_models(module=models) if stem_of(name) is None}
    assert without == {"maxvit_t", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32"}


@pytest.mark.parametrize(
    ("name", "kernel"), [("squeezenet1_0", "features.0"), ("swin_t", "features.0.0"), ("resnet18", "conv1")]
)
def test_a_narrower_kernel_answers_an_image_of_one_colour_as_before(name, kernel):
    network = zoo.build_native(config(name), 10)
    colour = torch.tensor([0.3, -1.2, 2.0]).reshape(1, 3, 1, 1).expand(1, 3, 32, 32)
    conv = network.get_submodule(kernel)
    before = conv(colour)[0, :, 3, 3]
    zoo.fit(network, config(name))
    torch.testing.assert_close(conv(colour)[0, :, 16, 16], before, rtol=1e-4, atol=1e-5)
    assert conv.weight.shape[2:] == (3, 3)
    assert conv.weight.requires_grad


def test_a_narrower_kernel_is_the_wider_one_in_areas():
    network = zoo.build_native(config("resnet18"), 10)
    with torch.no_grad():
        network.conv1.weight.zero_()
        network.conv1.weight[0, 0, 0, 0] = 1.0  # lies in the first third
        network.conv1.weight[1, 1, 3, 3] = 1.0  # the middle
        network.conv1.weight[2, 2, 6, 2] = 1.0  # the last third; a third in the first and the rest in the middle
    zoo.fit(network, config("resnet18"))
    expected = torch.zeros(64, 3, 3, 3)
    expected[0, 0, 0, 0] = 1.0
    expected[1, 1, 1, 1] = 1.0
    expected[2, 2, 2, :2] = torch.tensor([1 / 3, 2 / 3])
    torch.testing.assert_close(network.conv1.weight.detach(), expected)


def test_resnet18_becomes_the_one_that_is_built_here():
    fitted, own = registry.build(config("resnet18"), 10), registry.build(Model(name="resnet18"), 10)
    theirs, ours = fitted.state_dict(), own.state_dict()
    assert [value.shape for value in theirs.values()] == [value.shape for value in ours.values()]
    own.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(fitted(images), own(images))


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_vgg_says_what_it_says_unfitted(name):
    network = zoo.build_native(config(name), 10).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = network(images)
        zoo.fit(network, config(name))
        torch.testing.assert_close(network(images), before, rtol=1e-4, atol=1e-4)
    assert network.get_parameter("classifier.0.weight").shape == (4096, 512)


def test_a_stem_draws_nothing():
    network = zoo.build_native(config("squeezenet1_0"), 10)
    generator = torch.get_rng_state()
    zoo.fit(network, config("squeezenet1_0"))
    assert torch.equal(torch.get_rng_state(), generator)


def test_no_layer_of_a_fitted_network_needs_a_gradient_that_cuda_cannot_repeat():
    for name in ("alexnet", "vgg11", "inception_v3", "resnet18"):
        _, network = native_and_fitted(name)
        adaptive = [layer for layer in network.modules() if isinstance(layer, nn.AdaptiveAvgPool2d)]
        assert all(layer.output_size in (1, (1, 1)) for layer in adaptive)
