"""Weights that libraries publish, without a network to download them from."""

from urllib.error import URLError

import pytest
import torch
from generators import finished
from safetensors.torch import save_file
from torchvision import models

from cifar_core.config import Model
from cifar_core.errors import ConfigError, DataError
from cifar_core.models import pretrained, registry, timm_zoo, torchvision_zoo, weights, weights_file

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder where torch keeps what it downloads, and no network."""

    def no_network(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def start(config, zoo, classes=10):
    """Build a network from weights, in the order in which a training does."""
    events, found = finished(weights.read(config))
    network = zoo.build_native(config, classes)
    found.load_into(network)
    zoo.fit(network, config)
    found.load_into(network)
    return network, found.report(network), events


def test_published_weights_are_loaded_but_for_the_head(hub):
    torch.manual_seed(1)
    whole = models.resnet18()
    torch.save(whole.state_dict(), hub / "resnet18-f37072fd.pth")
    network, report, events = start(Model(name="torchvision:resnet18", weights="DEFAULT"), torchvision_zoo)
    assert report.source == "torchvision:resnet18 IMAGENET1K_V1"
    assert report.mismatched.first == ("fc.weight: 1000 x 512, here 10 x 512", "fc.bias: 1000, here 10")
    assert (report.loaded, report.missing.count) == (len(whole.state_dict()) - 2, 0)
    assert torch.equal(network.layer1[0].conv1.weight, whole.layer1[0].conv1.weight)
    # The stem's kernel was 7 x 7 when it was loaded, and what it answers to one colour is still the same.
    assert network.conv1.weight.shape == (64, 3, 3, 3)
    torch.testing.assert_close(network.conv1.weight.sum((2, 3)), whole.conv1.weight.sum((2, 3)))
    assert not events  # nothing had to be downloaded


def test_weights_of_a_fitted_network_are_loaded_as_they_are(tmp_path):
    config = Model(name="torchvision:squeezenet1_1")
    torch.manual_seed(1)
    trained = registry.build(config, 10)
    path = tmp_path / "trained.safetensors"
    path.write_bytes(weights_file.encoded(trained.state_dict(), "safetensors"))
    network, report, _ = start(config.model_copy(update={"weights": str(path)}), torchvision_zoo)
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in network.state_dict().items())
    assert (report.mismatched.count, report.missing.count, report.skipped.count) == (0, 0, 0)


def test_a_stem_of_3_x_3_is_loaded_after_that_of_7_x_7_was_narrowed(tmp_path):
    config = Model(name="torchvision:resnet18")
    torch.manual_seed(1)
    trained = registry.build(config, 10)
    path = tmp_path / "trained.pt"
    path.write_bytes(weights_file.encoded(trained.state_dict(), "state_dict"))
    network, report, _ = start(config.model_copy(update={"weights": str(path)}), torchvision_zoo)
    assert torch.equal(network.conv1.weight, trained.conv1.weight)
    assert report.mismatched.count == 0


def test_without_a_network_the_sentence_says_which_file_goes_where(hub):
    steps = weights.read(Model(name="torchvision:resnet18", weights="IMAGENET1K_V1"))
    told = next(steps)
    assert (told.phase, told.subject) == ("download", "resnet18-f37072fd.pth")
    expected = rf"resnet18-f37072fd\.pth \(no route to host\): check the network, or put it in {hub}$"
    with pytest.raises(DataError, match=expected):
        next(steps)


@pytest.mark.parametrize(
    ("name", "chosen", "sentence"),
    [
        ("torchvision:resnet18", "IMAGENET1K_V9", "has the weights DEFAULT, IMAGENET1K_V1, not 'IMAGENET1K_V9'"),
        ("timm:resnet18", "a9_in1k", r"has the weights DEFAULT, a1_in1k, a2_in1k.*, not 'a9_in1k'"),
        ("timm:beit3_giant_patch14_224", "DEFAULT", "has no published weights, not 'DEFAULT'"),
    ],
)
def test_a_name_that_is_none_of_the_library_s_is_an_error(name, chosen, sentence):
    with pytest.raises(ConfigError, match=rf"^model\.weights: {name} {sentence}"):
        pretrained.find(Model(name=name, weights=chosen))


@pytest.mark.parametrize("name", ["torchvision:resnet81", "timm:resnet81"])
def test_a_network_that_the_library_lacks_is_told_before_its_weights(name):
    with pytest.raises(ConfigError, match=r"^model\.name: \w+ has no network .*called resnet81; did you mean"):
        pretrained.find(Model(name=name, weights="DEFAULT"))


def test_this_project_s_networks_have_no_published_weights():
    with pytest.raises(ValueError, match=r"weights: lenet-notes has none that are published; a file of weights needs"):
        Model(weights="DEFAULT")


@pytest.mark.parametrize("chosen", ["mine.pt", "folder/mine", "./DEFAULT", "~/mine.safetensors"])
def test_a_path_names_no_weights_of_a_library(chosen):
    assert pretrained.find(Model(name="torchvision:resnet18", weights=chosen)) is None


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("torchvision:resnet18", "DEFAULT", IMAGENET),
        ("torchvision:resnet18", None, None),
        ("torchvision:resnet18", "mine.pt", None),
        ("torchvision:vgg16", "IMAGENET1K_FEATURES", ((0.48235, 0.45882, 0.40784), (1 / 255,) * 3)),
        ("timm:resnet18", "DEFAULT", IMAGENET),
        ("timm:vit_tiny_patch16_224", "DEFAULT", ((0.5,) * 3, (0.5,) * 3)),
        ("lenet-notes", "mine.pt", None),
    ],
)
def test_images_are_normalised_as_those_that_the_weights_were_trained_on(name, chosen, expected):
    assert pretrained.normalisation(Model(name=name, weights=chosen)) == expected


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_undo_the_usual_normalisation_get_images_as_they_would_make_them(name):
    mean, std = pretrained.normalisation(Model(name=f"torchvision:{name}", weights="DEFAULT"))
    images = torch.rand(2, 3, 4, 4)

    def normalised(mean, std):
        return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    with torch.device("meta"):
        network = getattr(models, name)(transform_input=True, init_weights=False)
    torch.testing.assert_close(network._transform_input(normalised(*IMAGENET)), normalised(mean, std))


@pytest.fixture
def timms(tmp_path, monkeypatch):
    """Publish weights where timm looks for what it has downloaded; there is no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def publish(name, network):
        there = tmp_path / f"models--timm--{name}"
        (there / "snapshots" / "0").mkdir(parents=True)
        (there / "refs").mkdir()
        (there / "refs" / "main").write_text("0")
        save_file(network.state_dict(), there / "snapshots" / "0" / "model.safetensors")

    return publish


def test_timm_s_weights_are_loaded_but_for_the_head(timms):
    torch.manual_seed(1)
    whole = timm_zoo.create("timm:resnet18")
    timms("resnet18.a2_in1k", whole)
    network, report, _ = start(Model(name="timm:resnet18", weights="a2_in1k"), timm_zoo)
    assert report.source == "timm:resnet18 a2_in1k"
    assert report.mismatched.first == ("fc.weight: 1000 x 512, here 10 x 512", "fc.bias: 1000, here 10")
    assert torch.equal(network.layer1[0].conv1.weight, whole.layer1[0].conv1.weight)
    torch.testing.assert_close(network.conv1.weight.sum((2, 3)), whole.conv1.weight.sum((2, 3)))


def test_a_transformer_s_position_embeddings_and_patches_are_brought_to_its_size(timms):
    torch.manual_seed(1)
    whole = timm_zoo.create("timm:test_vit")
    timms("test_vit.r160_in1k", whole)
    network, report, _ = start(Model(name="timm:test_vit", weights="DEFAULT"), timm_zoo)
    assert report.mismatched.first == ("head.weight: 1000 x 64, here 10 x 64", "head.bias: 1000, here 10")
    assert network.pos_embed.shape == (1, 65, 64)
    # Patches of 4 x 4 answer as those of 16 x 16 do to the image four times as large.
    image = torch.rand(1, 3, 32, 32)
    large = image.repeat_interleave(4, 2).repeat_interleave(4, 3)
    whole.patch_embed.img_size = (128, 128)
    torch.testing.assert_close(network.patch_embed(image), whole.patch_embed(large), atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("timms")
def test_without_timm_s_files_the_sentence_says_where_they_are():
    steps = weights.read(Model(name="timm:resnet18", weights="DEFAULT"))
    assert next(steps).phase == "download"
    expected = r"timm:resnet18 a1_in1k could not be downloaded from https://huggingface\.co/timm/resnet18\.a1_in1k"
    with pytest.raises(DataError, match=expected) as caught:
        next(steps)
    assert "\n" not in str(caught.value)
