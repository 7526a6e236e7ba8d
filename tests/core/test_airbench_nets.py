"""The airbench networks: how they start, what is fixed in them, and the whitening of their first layer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import nn

from cifar_core.models.airbench import airbench94, airbench95, airbench96
from cifar_core.models.notes import lenet
from cifar_core.models.whitening import EPSILON, needs_whitening, whiten

NETWORKS = (airbench94, airbench95, airbench96)


pytestmark = pytest.mark.usefixtures("seeded", "one_thread")


@pytest.fixture(params=NETWORKS)
def model(request):
    return request.param(10)


def correlated(count):
    """Images as smooth as photographs: noise averaged over neighbours, its channels alike; mean 0, deviation 1."""
    noise = torch.randn(count, 3, 34, 34) + torch.randn(count, 1, 34, 34)
    smooth = F.avg_pool2d(noise, 3, stride=1)
    return (smooth - smooth.mean((0, 2, 3), keepdim=True)) / smooth.std((0, 2, 3), keepdim=True)


def test_the_networks_are_as_wide_and_as_deep_as_the_originals():
    convolutions = {}
    for network in NETWORKS:
        layers = [layer for layer in network(10).modules() if isinstance(layer, nn.Conv2d)]
        convolutions[network] = [layer.out_channels for layer in layers]
    assert convolutions[airbench94] == [24, 64, 64, 256, 256, 256, 256]
    assert convolutions[airbench95] == [24, 128, 128, 384, 384, 384, 384]
    assert convolutions[airbench96] == [24, 128, 128, 128, 384, 384, 384, 512, 512, 512]


def test_only_convolutions_shifts_head_and_the_whitenings_bias_are_trained(model):
    fixed = {name for name, value in model.named_parameters() if not value.requires_grad}
    norms = {name for name, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert fixed == {"whiten.weight"} | {f"{norm}.weight" for norm in norms}
    assert all((model.get_submodule(norm).weight == 1).all() for norm in norms)
    assert model.get_submodule("head").bias is None


def test_normalisations_forget_as_fast_as_the_originals():
    for network, momentum in ((airbench94, 0.4), (airbench95, 0.4), (airbench96, 0.1)):
        norms = [layer for layer in network(10).modules() if isinstance(layer, nn.BatchNorm2d)]
        assert {(layer.momentum, layer.eps) for layer in norms} == {(momentum, 1e-12)}


def test_a_convolution_passes_its_inputs_on_at_the_start(model):
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            features = torch.randn(1, layer.in_channels, 5, 5)
            torch.testing.assert_close(layer(features)[:, : layer.in_channels], features)
            rest = layer.weight[layer.in_channels :]
            assert rest.numel() == 0 or rest.std() > 0


def test_heads_and_logits_are_scaled_as_the_originals():
    for network, width, divisor, deviation in (
        (airbench94, 256, 256, 1.0),
        # torch's own start: uniform within 1 / sqrt(width).
        (airbench95, 384, 9, (1 / 384 / 3) ** 0.5),
        (airbench96, 512, 9, (1 / 512 / 3) ** 0.5),
    ):
        model = network(10).eval()
        head = model.get_submodule("head")
        assert head.in_features == width
        # Five standard errors of a uniform variable's deviation.
        assert head.weight.std().item() == pytest.approx(deviation, rel=5 * (0.2 / head.weight.numel()) ** 0.5)
        images = torch.randn(2, 3, 32, 32)
        torch.testing.assert_close(model(images), model[:-1](images) / divisor)


def test_the_whitenings_bias_starts_at_0_in_the_legacy_networks_alone():
    assert [bool(network(10).get_submodule("whiten").bias.any()) for network in NETWORKS] == [True, False, False]


def test_the_residual_network_adds_what_it_had_before_its_last_two_convolutions():
    group = airbench96(10).eval().get_submodule("group2")
    for name in ("residual.conv2", "residual.conv3"):
        nn.init.zeros_(group.get_submodule(name).weight)
    features = torch.randn(2, 128, 8, 8)
    kept = group.gelu1(group.norm1(group.pool(group.conv1(features))))
    torch.testing.assert_close(group(features), F.gelu(kept))


def test_normalisations_work_in_float32_under_autocast(model):
    images = torch.randn(4, 3, 32, 32)
    inputs = []
    norm = next(layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _, taken: inputs.append(taken[0]))
    with torch.autocast("cpu", torch.bfloat16):
        model(images)
    assert inputs[0].dtype == torch.bfloat16
    assert norm.running_mean.dtype == torch.float32
    # Summed up in bfloat16, the mean of so many numbers would not be right to four digits.
    torch.testing.assert_close(
        norm.running_mean, norm.momentum * inputs[0].float().mean((0, 2, 3)), rtol=1e-4, atol=1e-5
    )


def test_only_the_airbench_networks_need_whitening(model):
    assert needs_whitening(model)
    assert not needs_whitening(lenet(10))


def test_whitened_patches_have_variance_1_and_no_correlation(model):
    images = correlated(600)
    whiten(model, images)
    first = F.conv2d(images.double(), model.get_submodule("whiten").weight[:12].double()).transpose(0, 1).flatten(1)
    before = torch.cov(F.unfold(images, 2).transpose(0, 1).flatten(1))
    assert before[0, 1] > 0.5  # neighbours were correlated
    covariance = torch.cov(first)
    # Of a direction with the variance v, v / (v + EPSILON) is left.
    expected = torch.linalg.eigvalsh(before.double())
    expected = expected / (expected + EPSILON)
    assert expected.min() > 0.99
    torch.testing.assert_close(covariance, torch.diag(expected), rtol=0, atol=1e-3)


def test_the_second_half_of_the_filters_is_the_first_with_the_other_sign(model):
    whiten(model, correlated(20))
    weight = model.get_submodule("whiten").weight
    assert weight.shape == (24, 3, 2, 2)
    assert torch.equal(weight[:12], -weight[12:])


def test_filters_have_a_sign_and_an_order_that_do_not_depend_on_the_order_of_sums(model):
    images = correlated(700)
    whiten(model, images)
    weight = model.get_submodule("whiten").weight
    first = weight.clone()
    largest = first[:12].flatten(1)
    assert (largest.max(1).values == largest.abs().max(1).values).all()
    norms = largest.norm(dim=1)
    assert (norms.diff() < 0).all()  # the least variance is multiplied by most
    whiten(model, images.flip(0))
    torch.testing.assert_close(weight, first, rtol=1e-5, atol=1e-6)


def test_whitening_changes_no_other_weight_and_needs_no_gradient(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whiten(model, correlated(10))
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"whiten.weight"}
    assert not model.get_submodule("whiten").weight.requires_grad


def test_whitening_bears_directions_that_never_vary(model):
    grey = correlated(10)[:, :1].expand(-1, 3, -1, -1)
    whiten(model, grey)
    weight = model.get_submodule("whiten").weight
    assert weight.isfinite().all()
    # The filters are eigenvectors of length 1, over the root of no less than EPSILON.
    assert weight[:12].flatten(1).norm(dim=1).max() <= EPSILON**-0.5 * (1 + 1e-5)


def test_whitening_keeps_the_memory_format_of_the_weights(model):
    model = model.to(memory_format=torch.channels_last)
    whiten(model, correlated(10))
    assert model.get_submodule("whiten").weight.is_contiguous(memory_format=torch.channels_last)
