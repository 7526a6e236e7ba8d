"""This project's own networks for CIFAR: their sizes, how they start and train, and some against their references."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its name everywhere)
import torchvision
from torch import nn

from cifar_core.models.airbench import airbench94, airbench95, airbench96
from cifar_core.models.densenet import densenet_bc
from cifar_core.models.preact import Block, preact_resnet18
from cifar_core.models.resnet9 import resnet9
from cifar_core.models.resnext import resnext29
from cifar_core.models.size import parameters
from cifar_core.models.vit import vit
from cifar_core.models.wide import wide_resnet

NETWORKS = {
    "resnet9": resnet9,
    "preact-resnet18": preact_resnet18,
    "wrn-16-4": lambda classes: wide_resnet(16, 4, classes),
    "wrn-28-10": lambda classes: wide_resnet(28, 10, classes),
    "resnext29-8x64d": lambda classes: resnext29(8, 64, classes),
    "densenet-bc-100-12": lambda classes: densenet_bc(100, 12, classes),
    "vit-cifar": vit,
    "airbench94": airbench94,
    "airbench95": airbench95,
    "airbench96": airbench96,
    # The smallest of each family, and widths that do not divide by two.
    "wrn-10-1": lambda classes: wide_resnet(10, 1, classes),
    "resnext29-1x3d": lambda classes: resnext29(1, 3, classes),
    "densenet-bc-10-5": lambda classes: densenet_bc(10, 5, classes),
}


pytestmark = pytest.mark.usefixtures("seeded", "one_thread")


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


@pytest.mark.parametrize(
    ("model", "expected", "published"),
    [
        (lambda: wide_resnet(28, 10, 10), 36_479_194, 36.5e6),
        (lambda: wide_resnet(16, 4, 10), 2_748_890, 2.7e6),
        (lambda: wide_resnet(40, 4, 10), 8_949_210, 8.9e6),
        (lambda: densenet_bc(100, 12, 10), 769_162, 0.8e6),
        (lambda: densenet_bc(190, 40, 10), 25_624_430, 25.6e6),
        (lambda: resnext29(8, 64, 10), 34_426_698, 34.4e6),
        (lambda: resnext29(16, 64, 10), 68_155_210, 68.1e6),
        # He et al. give no figure; pytorch-cifar's has 11.17 M.
        (lambda: preact_resnet18(10), 11_172_170, 11.17e6),
        (lambda: resnet9(10), 6_573_120, 6.57e6),
        (lambda: vit(10), 6_268_810, 6.3e6),
        (lambda: airbench94(10), 1_971_352, 1.97e6),
        (lambda: airbench95(10), 4_604_440, 4.6e6),
        (lambda: airbench96(10), 9_915_416, 9.9e6),
    ],
)
def test_parameters_are_as_many_as_published(model, expected, published):
    with torch.device("meta"):
        count = parameters(model())
    assert count == expected
    # Published figures are rounded, or cut, at their last digit.
    assert count == pytest.approx(published, rel=0.04 if published < 1e6 else 0.02)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_logits_have_one_row_for_each_image_and_one_column_for_each_class(network, classes):
    with torch.device("meta"):
        model = network(classes)
        logits = model(torch.randn(3, 3, 32, 32))
    assert model.training
    assert logits.shape == (3, classes)
    assert logits.dtype == torch.float32


def test_the_classifier_is_called_head(network):
    with torch.device("meta"):
        head = network(7).get_submodule("head")
    assert isinstance(head, nn.Linear)
    assert head.out_features == 7


def test_three_steps_have_finite_losses_and_a_gradient_for_all_that_is_trained(network):
    model = network(10)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.SGD(trained.values(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([3, 8])
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        assert loss.isfinite()
        assert [name for name, value in trained.items() if value.grad is None] == []
        assert all(value.grad.isfinite().all() for value in trained.values())
        optimizer.step()
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == trained.keys()


def test_evaluation_leaves_statistics_alone_and_training_does_not():
    for network in (resnet9, preact_resnet18, airbench94, NETWORKS["densenet-bc-10-5"], NETWORKS["resnext29-1x3d"]):
        model = network(10)
        before = {name: value.clone() for name, value in model.named_buffers()}
        assert before
        images = torch.randn(3, 3, 32, 32)
        first = model.eval()(images)
        assert torch.equal(model(images), first)
        assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
        model.train()(images)
        assert not any(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_one_seed_gives_one_set_of_weights(network):
    first, second = [], []
    for weights in (first, second):
        torch.manual_seed(5)
        weights.extend(network(10).state_dict().values())
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["preact-resnet18", "wrn-16-4", "resnext29-8x64d", "densenet-bc-100-12"])
def test_convolutions_of_the_residual_and_dense_networks_start_by_their_outputs(name):
    model = NETWORKS[name](10)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is None
            variance = 2 / (layer.out_channels * layer.weight[0, 0].numel())
            # Five standard errors of the mean square of a normal variable.
            tolerance = 5 * (2 / layer.weight.numel()) ** 0.5
            assert layer.weight.square().mean().item() == pytest.approx(variance, rel=tolerance)
        elif isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(layer.weight, torch.ones_like(layer.weight))
            assert not layer.bias.any()
    assert not model.get_submodule("head").bias.any()


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 8, 1), (4, 8, 2), (4, 4, 2)])
def test_a_pre_activation_block_shortcuts_its_input_or_where_the_shape_changes_a_projection(inputs, outputs, stride):
    block = Block(inputs, outputs, stride, "dropout", 0.0).eval()
    features = torch.randn(2, inputs, 8, 8)
    activations = features.relu() / (1 + block.norm1.eps) ** 0.5
    made = block.conv1(activations)
    made = block.conv2(made.relu() / (1 + block.norm2.eps) ** 0.5)
    if inputs == outputs and stride == 1:
        expected = features + made
    else:
        expected = F.conv2d(activations, block.get_submodule("shortcut").weight, stride=stride) + made
    torch.testing.assert_close(block(features), expected)


def copy_in_order(ours, theirs):
    """Give the reference the weights of ours, both in the order of their layers."""
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]
    return dict(zip(theirs, ours.values(), strict=True))


def assert_the_same(model, reference):
    images = torch.randn(3, 3, 32, 32)
    # In training mode first: it also moves the normalisations' averages, that the second pass uses.
    torch.testing.assert_close(model(images), reference(images))
    torch.testing.assert_close(model.eval()(images), reference.eval()(images))


def test_resnext_computes_what_torchvisions_does():
    reference = torchvision.models.ResNet(
        torchvision.models.resnet.Bottleneck, [3, 3, 3, 1], num_classes=10, groups=4, width_per_group=24
    )
    reference.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    reference.maxpool = reference.layer4 = nn.Identity()
    reference.fc = nn.Linear(1024, 10)
    model = resnext29(4, 24, 10)
    reference.load_state_dict(copy_in_order(model.state_dict(), reference.state_dict()))
    assert_the_same(model, reference)


def test_densenet_computes_what_torchvisions_does():
    reference = torchvision.models.DenseNet(
        growth_rate=5, block_config=(3, 3, 3), num_init_features=10, bn_size=4, num_classes=10
    )
    reference.features.conv0 = nn.Conv2d(3, 10, 3, padding=1, bias=False)
    reference.features.norm0 = reference.features.relu0 = reference.features.pool0 = nn.Identity()
    model = densenet_bc(22, 5, 10)
    reference.load_state_dict(copy_in_order(model.state_dict(), reference.state_dict()))
    assert_the_same(model, reference)


def test_vit_computes_what_torchvisions_does():
    reference = torchvision.models.VisionTransformer(
        image_size=32, patch_size=4, num_layers=7, num_heads=12, hidden_dim=384, mlp_dim=384, num_classes=10
    )
    model = vit(10)
    for value in model.parameters():
        nn.init.normal_(value, std=0.1)
    ours = model.state_dict()
    # There the class token comes first and the position embedding after the patches' convolution.
    order = ["cls_token", "patch_embed.weight", "patch_embed.bias", "pos_embed"]
    ours = {name: ours[name] for name in (*order, *(name for name in ours if name not in order))}
    reference.load_state_dict(copy_in_order(ours, reference.state_dict()))
    assert_the_same(model, reference)


def test_vits_class_token_sees_every_patch():
    model = vit(10).eval()
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    model(images).square().sum().backward()
    patches = images.grad.unfold(2, 4, 4).unfold(3, 4, 4).abs().sum((1, 4, 5))
    assert patches.shape == (1, 8, 8)
    assert (patches > 0).all()


def test_vits_parameters_that_do_not_decay_can_be_told_by_name_or_shape():
    kept = {name for name, value in vit(10).named_parameters() if value.dim() == 1}
    assert all(name.endswith("bias") or ".norm" in f".{name}" for name in kept)
    others = {name for name, _ in vit(10).named_parameters()} - kept
    assert {name for name in others if not name.endswith("weight")} == {"pos_embed", "cls_token"}


def test_a_densenet_keeps_each_pairs_input_for_the_backward_pass_no_more_than_twice():
    model = densenet_bc(22, 6, 10)
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no place is taken twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.randn(1, 3, 32, 32))
    largest = [value.numel() for value in kept.values() if value.dim() == 4 and value.shape[0] == 1]
    channels, expected = 12, 0
    for side in (32, 16, 8):
        for _ in range(3):
            expected += side * side * (2 * channels + 2 * 4 * 6)
            channels += 6
        # The transition's, or the last normalisation's, input and its ReLU, and what comes of the first.
        expected += side * side * 2 * channels
        channels //= 2
        expected += side * side * channels
    assert math.fsum(largest) <= expected + 3 * 32 * 32


def test_resnet9s_logits_are_an_eighth_of_its_heads():
    model = resnet9(10).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(images), model[:-1](images) / 8)
