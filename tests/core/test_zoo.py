"""torchvision's networks: every one of them trains on 32 x 32 images, or says how it could."""

from __future__ import annotations

import copy
import os

import pytest
import torch
import torchvision
from torchvision import models

from cifar_core.config import Config, Data, Model
from cifar_core.data.load import load
from cifar_core.errors import ConfigError
from cifar_core.learner import Learner
from cifar_core.models import torchvision_zoo as zoo
from cifar_core.models.auxiliary import WithAuxiliary
from cifar_core.models.registry import build
from cifar_core.models.size import multiply_adds, parameters, takes
from cifar_core.models.stems import stem_of

NETWORKS = (
    "alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "squeezenet1_0", "squeezenet1_1",
    "densenet121", "densenet161", "inception_v3", "googlenet", "shufflenet_v2_x1_0", "mobilenet_v2",
    "resnext50_32x4d", "wide_resnet50_2", "mnasnet1_0",
)  # fmt: skip
"""Those with presets."""
FURTHER = tuple(sorted(set(models.list_models(module=models)) - set(NETWORKS)))
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def on_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def batch():
    """Four images and their labels, of CIFAR-10 where it is at hand."""
    root = os.environ.get("CIFAR_TUI_TEST_DATA")
    data = Data(kind="synthetic") if root is None else Data(root=root, verify=False)
    reading = load(data, 0)
    try:
        while True:
            next(reading)
    except StopIteration as done:
        train = done.value.train
    return train.images[:4].float() / 127.5 - 1, train.labels[:4]


def model(name, **options):
    return Model(name=f"torchvision:{name}", **options)


def without_numbers(config, classes=10):
    with torch.device("meta"):
        return build(config, classes)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_on_images_of_32_by_32(name, batch):
    learner = Learner(Config.model_validate({"model": {"name": f"torchvision:{name}"}}), 10, CPU)
    for _ in range(2):
        loss, logits, _ = learner.update(*batch)
        assert torch.isfinite(loss)
        assert logits.shape == (4, 10)
    assert learner.is_finite()
    assert all(parameter.grad is not None for parameter in learner.model.parameters())

    network = learner.model.eval()
    before = {name: value.clone() for name, value in network.named_buffers()}
    with torch.no_grad():
        assert network(batch[0][:3]).shape == (3, 10)
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert multiply_adds(network) > 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", FURTHER)
def test_every_other_network_of_torchvision_passes_images_of_32_by_32_on(name, monkeypatch):
    for draw in ("kaiming_uniform_", "normal_"):  # RegNet would be made of numbers even so
        monkeypatch.setattr(torch.nn.init, draw, lambda weight, *_, **__: weight)
    has_stem = stem_of(name) is not None
    network = without_numbers(model(name, fit="stem" if has_stem else "upscale"))
    assert network.training
    assert multiply_adds(network) > 1_000_000
    assert has_stem or name.startswith(("vit", "maxvit"))


@pytest.mark.parametrize("name", ["vit_b_16", "maxvit_t"])
def test_a_network_without_a_stem_names_the_other_way(name):
    with pytest.raises(ConfigError) as caught, torch.device("meta"):
        build(model(name), 10)
    assert str(caught.value) == (
        f"model.name: torchvision:{name} cannot take 32 x 32 images and has no stem for them; "
        "model.fit=upscale enlarges them to its own 224 x 224"
    )


def test_a_network_that_torchvision_gains_is_taken_as_it_is_if_it_can(monkeypatch):
    monkeypatch.setattr(zoo, "stem_of", lambda _: None)
    assert takes(without_numbers(model("swin_t")), 32)
    with pytest.raises(ConfigError, match="cannot take 32 x 32 images and has no stem"):
        without_numbers(model("alexnet"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet19", "; did you mean torchvision:resnet18?"),
        ("ResNet50", "; did you mean torchvision:resnet50?"),
        ("fcn_resnet50", "; did you mean torchvision:resnet50?"),  # it has one, but not for classification
        ("zzz", ""),
    ],
)
def test_an_unknown_network_is_an_error_that_offers_the_nearest(name, hint):
    with pytest.raises(ConfigError) as caught:
        build(model(name), 10)
    assert str(caught.value) == f"model.name: torchvision has no network for classification called {name}{hint}"


@pytest.mark.parametrize(("name", "heads", "share"), [("googlenet", 2, 0.3), ("inception_v3", 1, 0.4)])
def test_auxiliary_classifiers_are_there_in_training_alone(name, heads, share, batch):
    network = build(model(name), 10)
    outputs = network(batch[0])
    assert isinstance(outputs, WithAuxiliary)
    assert outputs.share == share
    assert [logits.shape for logits in (outputs.logits, *outputs.others)] == [(4, 10)] * (1 + heads)
    # They are those of features before the last, so that no two are the same.
    assert all(not torch.equal(outputs.logits, logits) for logits in outputs.others)
    assert network.eval()(batch[0]).shape == (4, 10)


def test_the_loss_of_an_auxiliary_classifier_counts_for_its_share(batch):
    images, labels = batch
    outputs = build(model("googlenet"), 10)(images)
    of = torch.nn.functional.cross_entropy
    expected = of(outputs.logits, labels) + 0.3 * sum(of(logits, labels) for logits in outputs.others)
    torch.testing.assert_close(outputs.loss(of, labels), expected)


def test_an_enlarging_network_sees_what_enlarged_images_show(batch):
    network = build(model("resnet18", fit="upscale", size=64), 10)
    native = torchvision.models.resnet18(num_classes=10)
    native.load_state_dict(network.state_dict())
    enlarged = torch.nn.functional.interpolate(batch[0], (64, 64), mode="bilinear")
    torch.testing.assert_close(network(batch[0]), native(enlarged))
    torch.testing.assert_close(copy.deepcopy(network).eval()(batch[0]), native.eval()(enlarged))


def test_an_enlarging_network_trains(batch):
    section = {"name": "torchvision:resnet18", "fit": "upscale", "size": 64}
    learner = Learner(Config.model_validate({"model": section}), 10, CPU)
    loss, logits, _ = learner.update(*batch)
    assert torch.isfinite(loss)
    assert logits.shape == (4, 10)
    assert all(parameter.grad is not None for parameter in learner.model.parameters())


@pytest.mark.parametrize(
    ("config", "side"),
    [
        (model("resnet18", fit="upscale"), 224),
        (model("inception_v3", fit="upscale"), 299),
        (model("efficientnet_b3", fit="upscale"), 300),
        (model("vit_h_14", fit="upscale"), 224),
        (model("vit_h_14", fit="upscale", weights="DEFAULT"), 518),
        (model("regnet_y_16gf", fit="upscale", weights="IMAGENET1K_SWAG_E2E_V1"), 384),
        (model("regnet_y_16gf", fit="upscale", weights="mine.pt"), 224),
        (model("regnet_y_16gf", fit="upscale", weights="DEFAULT", size=96), 96),
        (model("one_that_is_newer", fit="upscale"), 224),
    ],
    ids=str,
)
def test_images_are_enlarged_to_what_the_weights_were_made_for_unless_a_size_is_given(config, side):
    assert zoo.enlarged_side(config) == side


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "inception_v3", "mnasnet1_0", "resnet18", "vit_b_32"])
def test_enlarged_images_cost_what_is_published(name):
    config = model(name, fit="upscale")
    network = without_numbers(config, classes=1_000)
    entry = zoo.find(config.name)
    assert multiply_adds(network) == pytest.approx(entry.multiply_adds, abs=500_000)
    if name != "googlenet":  # published without its auxiliary classifiers
        assert parameters(network) == entry.parameters


@pytest.mark.parametrize(
    ("name", "size", "own"),
    [("maxvit_t", 256, 224), ("vit_b_32", 225, 224), ("alexnet", 32, 224), ("inception_v3", 64, 299)],
)
def test_a_size_that_a_network_cannot_take_is_an_error(name, size, own):
    with pytest.raises(ConfigError) as caught:
        without_numbers(model(name, fit="upscale", size=size))
    assert str(caught.value) == (
        f"model.size: torchvision:{name} cannot take {size} x {size} images; its own are {own} x {own}"
    )


@pytest.mark.parametrize("name", ["vit_b_32", "maxvit_t"])
def test_a_network_of_one_size_is_made_for_the_size_that_is_asked_for(name):
    assert multiply_adds(without_numbers(model(name, fit="upscale", size=448))) > 3 * multiply_adds(
        without_numbers(model(name, fit="upscale"))
    )


def test_initialisation_draws_the_weights_of_a_stem_for_its_own_shape():
    torch.manual_seed(1)
    weight = build(model("resnet18", init="kaiming"), 10).get_parameter("conv1.weight")
    assert weight.shape == (64, 3, 3, 3)
    # Five standard errors of a sample variance.
    assert weight.square().mean().item() == pytest.approx(2 / 27, rel=5 * (2 / weight.numel()) ** 0.5)


def test_one_seed_gives_one_set_of_weights():
    sets = []
    for _ in range(2):
        torch.manual_seed(5)
        sets.append(build(model("squeezenet1_1"), 10).state_dict())
    assert all(torch.equal(sets[0][key], sets[1][key]) for key in sets[0])
