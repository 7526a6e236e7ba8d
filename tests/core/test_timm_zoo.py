"""timm's networks take 32 x 32 images, by a stem or enlarged."""

import sys

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from cifar_core.config import Model
from cifar_core.errors import ConfigError
from cifar_core.models import registry, size, timm_zoo

# Each one of the smallest of its family.
FAMILIES = (
    "deit_tiny_patch16_224",
    "densenet121",
    "dla46x_c",
    "dpn48b",
    "edgenext_xx_small",
    "ghostnet_050",
    "gmlp_ti16_224",
    "legacy_seresnet18",
    "mobilenetv3_small_050",
    "pit_ti_224",
    "pvt_v2_b0",
    "regnetx_002",
    "repvgg_a0",
    "resnetv2_18",
    "rexnet_100",
    "swin_tiny_patch4_window7_224",
    "test_coatnet",
    "test_convnext",
    "test_efficientnet",
    "test_nfnet",
    "test_resnet",
    "test_vit",
    "vgg11",
)


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks as small as these are slowed down by more, all the more beside other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shapes(name, **options):
    """A network whose tensors have shapes alone."""
    with torch.device("meta"):
        return registry.build(Model(name=f"timm:{name}", **options), 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family_is_trained_on_32_x_32(name):
    torch.manual_seed(0)
    network = registry.build(Model(name=f"timm:{name}"), 10)
    assert network.training
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001)
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([3, 7])
    for _ in range(2):
        optimizer.zero_grad()
        logits = network(images)
        assert logits.shape == (2, 10)
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert torch.isfinite(network.eval()(images)).all()
    assert size.multiply_adds(network) > 0


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("resnet18", (512, 4, 4)),
        ("efficientnet_b0", (1280, 4, 4)),
        ("regnetx_002", (368, 4, 4)),
        ("test_convnext", (64, 4, 4)),
        ("repvgg_a0", (1280, 4, 4)),
        ("test_vit", (65, 64)),  # 8 x 8 patches and the class token
        ("vgg11", (512, 1, 1)),  # its first layers have no halving to spare
        ("nest_tiny", (384, 2, 2)),  # left as it is, since blocks of its images are counted from their size
    ],
)
def test_two_halvings_are_left_out_where_there_are_two_to_spare(name, features):
    network = shapes(name).eval()
    assert network.forward_features(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, *features)


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "swin_tiny_patch4_window7_224", "test_efficientnet"])
def test_layers_keep_timm_s_names(name):
    fitted, native = shapes(name), timm_zoo._without_numbers(f"timm:{name}")
    assert list(fitted.state_dict()) == list(native.state_dict())


def test_a_first_kernel_of_7_becomes_3_and_early_pooling_is_gone():
    network = shapes("resnet18")
    assert network.conv1.kernel_size == (3, 3)
    assert network.conv1.stride == (1, 1)
    assert isinstance(network.maxpool, torch.nn.Identity)


def test_weights_are_drawn_from_the_seed_alone():
    def drawn():
        torch.manual_seed(5)
        return registry.build(Model(name="timm:test_resnet"), 10).state_dict()

    timm_zoo._fitting.cache_clear()
    first, second = drawn(), drawn()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_enlarged_images_meet_the_network_as_timm_has_it():
    config = Model(name="timm:test_resnet", fit="upscale")
    assert timm_zoo.enlarged_side(config) == 160
    torch.manual_seed(0)
    network = registry.build(config, 10).eval()
    torch.manual_seed(0)
    native = timm_zoo.create("timm:test_resnet", num_classes=10).eval()
    images = torch.randn(2, 3, 32, 32)
    enlarged = F.interpolate(images, size=(160, 160), mode="bilinear", align_corners=False)
    torch.testing.assert_close(network(images), native(enlarged))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "levit_128s"])
def test_a_network_is_built_for_the_size_that_images_are_enlarged_to(name):
    side = 224 if name == "levit_128s" else 64
    network = shapes(name, fit="upscale", size=side)
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


def test_a_size_that_a_network_cannot_take_is_an_error():
    expected = r"^model\.size: timm:levit_128s cannot take 64 x 64 images; its own are 224 x 224$"
    with pytest.raises(ConfigError, match=expected):
        shapes("levit_128s", fit="upscale", size=64)


def test_a_network_without_a_stem_for_32_x_32_names_the_other_way():
    expected = r"^model\.name: timm:levit_128s cannot take 32 x 32 .*model\.fit=upscale .* its own 224 x 224$"
    with pytest.raises(ConfigError, match=expected):
        shapes("levit_128s")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet19", r"^model\.name: timm has no network called resnet19; did you mean timm:resnet1\w+\?$"),
        ("resnet18.nope", r"^model\.name: timm has no weights called nope for resnet18"),
    ],
)
def test_a_name_that_timm_does_not_know_is_an_error(name, sentence):
    with pytest.raises(ConfigError, match=sentence):
        shapes(name)


def test_without_timm_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    expected = r'^model\.name: timm is not installed; pip install "cifar-tui\[timm\]"$'
    with pytest.raises(ConfigError, match=expected):
        registry.build(Model(name="timm:resnet18"), 10)
