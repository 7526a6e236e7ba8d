"""Weights of another training: read, matched by name and shape, and reported."""

import io

import pytest
import torch
from generators import finished
from torch import nn

from cifar_core import checkpoint, events
from cifar_core.config import Model
from cifar_core.errors import ConfigError, DataError
from cifar_core.models import weights, weights_file
from cifar_core.models.registry import build

CONV3 = "conv3-notes"


def network(classes=10, seed=0):
    torch.manual_seed(seed)
    return build(Model(name=CONV3), classes)


@pytest.fixture
def source():
    """The weights of another training of the same network."""
    return network(seed=1).state_dict()


@pytest.fixture
def load(tmp_path):
    """Put tensors in a file and load that into a network; return the network and the report."""

    def load(tensors, into=None, name="weights.pt", **options):
        path = tmp_path / name
        path.write_bytes(weights_file.encoded(tensors, "safetensors" if name.endswith("safetensors") else "state_dict"))
        model = network() if into is None else into
        _, read = finished(weights.read(Model(name=CONV3, weights=str(path), **options)))
        read.load_into(model)
        return model, read.report(model)

    return load


def same(model, tensors, prefix=""):
    """Names of the tensors that the network now has from ``tensors``."""
    here = model.state_dict()
    return {name for name, tensor in tensors.items() if torch.equal(here[prefix + name], tensor)}


def count(report):
    return report.loaded, report.skipped.count, report.mismatched.count, report.missing.count


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.safetensors"])
def test_a_whole_file_becomes_the_network(load, source, name):
    model, report = load(source, name=name)
    assert same(model, source) == set(source)
    assert count(report) == (len(source), 0, 0, 0)
    assert report.source.endswith(name)


def test_a_leading_module_is_taken_off(load, source):
    model, report = load({f"module.{name}": tensor for name, tensor in source.items()})
    assert same(model, source) == set(source)
    assert count(report) == (len(source), 0, 0, 0)


def test_a_leading_module_is_put_on(load, source):
    model, report = load(source, into=nn.DataParallel(network()))
    assert same(model, source, prefix="module.") == set(source)
    assert count(report) == (len(source), 0, 0, 0)


def test_a_leading_module_of_both_stays(load, source):
    model, report = load({f"module.{name}": each for name, each in source.items()}, into=nn.DataParallel(network()))
    assert same(model, source, prefix="module.") == set(source)
    assert report.loaded == len(source)


def test_a_file_of_a_part_loads_that_part(load, source):
    part = {name: tensor for name, tensor in source.items() if name.startswith("conv")}
    model, report = load(part)
    assert same(model, part) == set(part)
    assert torch.equal(model.linear1.weight, network().linear1.weight)
    assert count(report) == (3, 0, 0, len(source) - 3)
    assert "linear1.weight" in report.missing.first


def test_what_the_network_has_no_use_for_is_skipped(load, source):
    _, report = load({**source, "extra.weight": torch.zeros(3)})
    assert report.skipped == events.Names(count=1, first=("extra.weight",))
    assert report.loaded == len(source)


def test_dropped_tensors_are_not_loaded(load, source):
    model, report = load(source, drop_weights=("linear?.*", "norm3.*"))
    assert same(model, source) >= {"conv1.weight", "norm1.weight"}
    assert torch.equal(model.linear2.weight, network().linear2.weight)
    assert "linear2.weight" in report.skipped.first
    assert report.loaded + report.skipped.count == len(source)


def test_names_are_renamed(load, source):
    model, report = load(
        {f"backbone.c.{name}" if name.startswith("conv") else f"top.{name}": each for name, each in source.items()},
        rename_weights=("backbone.c.* -> *", "top.* -> *"),
    )
    assert same(model, source) == set(source)
    assert report.loaded == len(source)


def test_the_first_renaming_that_fits_counts(load, source):
    _, report = load(
        source, rename_weights=("conv1.* -> elsewhere.*", "*1.weight -> conv1.weight"), drop_weights=("[ln]*",)
    )
    assert report.skipped.first[-1] == "elsewhere.weight"


def test_patterns_are_meant_without_module_or_with_it(load, source):
    parallel = {f"module.backbone.{name}": tensor for name, tensor in source.items()}
    for pattern in ("backbone.* -> *", "module.backbone.* -> *", "module.backbone.* -> module.*"):
        _, report = load(parallel, rename_weights=(pattern,), drop_weights=("module.backbone.norm1.*",))
        assert count(report) == (len(source) - 5, 5, 0, 5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"drop_weights": ("fc.*",)}, r"^model\.drop_weights: 'fc\.\*' fits no name of the weights, which has conv1"),
        ({"rename_weights": ("fc.* -> *",)}, r"^model\.rename_weights: 'fc\.\*' fits no name of the weights"),
        (
            {"rename_weights": ("conv*.weight -> conv.weight",)},
            r"^model\.rename_weights: conv1\.weight and conv2\.weight of the weights would both be conv\.weight",
        ),
    ],
)
def test_a_wrong_pattern_is_an_error(load, source, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(source, **options)


def test_a_tensor_of_another_shape_is_listed_with_both_and_not_loaded(load):
    model, report = load(network(classes=100, seed=1).state_dict())
    assert torch.equal(model.linear3.weight, network().linear3.weight)
    assert report.mismatched == events.Names(
        count=2, first=("linear3.weight: 100 x 84, here 10 x 84", "linear3.bias: 100, here 10")
    )
    assert (report.missing.count, report.skipped.count) == (0, 0)


def test_weights_of_which_nothing_fits_are_an_error(load):
    with pytest.raises(
        ConfigError, match=r"^model\.weights: nothing of .*weights\.pt fits: it has fc\.weight; the network has conv1"
    ):
        load({"fc.weight": torch.zeros(10, 84)})


def test_what_is_not_finite_is_not_loaded(load, source):
    source["conv2.weight"][0, 0, 0, 0] = torch.nan
    model, report = load(source)
    assert model.conv2.weight.isfinite().all()
    assert report.skipped.first == ("conv2.weight: not finite",)


@pytest.mark.parametrize(
    "odd",
    [
        torch.eye(3).to_sparse_coo(),
        torch.zeros(3, device="meta"),
        torch.zeros(3, dtype=torch.complex64),
    ],
    ids=["sparse", "meta", "complex"],
)
def test_what_is_no_plain_array_of_real_numbers_is_not_loaded(source, odd):
    read = weights.chosen(Model(name=CONV3), "a file", {**source, "linear3.bias": odd})
    model = network()
    read.load_into(model)
    report = read.report(model)
    assert report.skipped.first == ("linear3.bias: no plain numbers",)
    assert report.loaded == len(source) - 1


def test_a_report_stays_short_and_cannot_steer_a_terminal(load, source):
    many = {f"\x1b{number}" + "x" * 500: torch.zeros(1) for number in range(2000)}
    _, report = load({**source, **many})
    assert report.skipped.count == 2000
    assert len(events.to_json(report)) < 20_000
    assert "\x1b" not in "".join(report.skipped.first)


def test_weights_in_half_precision_are_loaded_as_the_network_computes(load, source):
    model, report = load({name: tensor.half() for name, tensor in source.items()})
    assert model.conv1.weight.dtype is torch.float32
    torch.testing.assert_close(model.conv1.weight.data, source["conv1.weight"], atol=1e-3, rtol=1e-3)
    assert report.loaded == len(source)


def test_weights_that_a_gpu_saved_are_loaded_without_one(tmp_path, source, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("torch.serialization.location_tag", lambda _: "cuda:7")
        torch.save(source, tmp_path / "weights.pt")
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(tmp_path / "weights.pt", weights_only=True)
    tensors = weights_file.read(tmp_path / "weights.pt")
    assert all(torch.equal(tensors[name], source[name]) for name in source)


@pytest.mark.parametrize("place", ["state_dict", "model_state_dict", "model"])
def test_weights_are_found_among_what_else_a_script_saves(tmp_path, source, place):
    beside = {"epoch": 3, "optimizer": {"lr": 0.1}, "best_acc1": torch.tensor(93.0)}
    torch.save({**beside, place: source}, tmp_path / "all.pth")
    assert set(weights_file.read(tmp_path / "all.pth")) == set(source)


@pytest.mark.parametrize("form", ["state_dict", "safetensors"])
def test_a_written_file_reads_back_as_it_was(tmp_path, source, form):
    source["conv2.weight"] = source["conv2.weight"].to(memory_format=torch.channels_last)
    source["shared"] = source["conv1.weight"][:2]
    path = tmp_path / ("a.safetensors" if form == "safetensors" else "a.pt")
    path.write_bytes(weights_file.encoded(source, form))
    read = weights_file.read(path)
    assert set(read) == set(source)
    assert all(torch.equal(read[name], source[name]) for name in source)
    assert all(tensor.is_contiguous() for tensor in read.values())


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_damaged_file_is_told_in_one_sentence(tmp_path, source, name, keep):
    path = tmp_path / name
    path.write_bytes(weights_file.encoded(source, "safetensors" if "safe" in name else "state_dict")[:keep])
    with pytest.raises(DataError, match=r"weights\.\w+ is damaged, or holds other things than tensors") as caught:
        weights_file.read(path)
    assert "\n" not in str(caught.value)


class Harmful:
    def __reduce__(self):
        return (print, ("code of the file was run",))


def test_objects_in_a_file_are_refused_and_never_made(tmp_path, source, capsys):
    torch.save({"model": source, "args": Harmful()}, tmp_path / "weights.pt")
    with pytest.raises(DataError, match="which are never loaded: save the state_dict alone"):
        weights_file.read(tmp_path / "weights.pt")
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {1: torch.zeros(1)}])
def test_a_file_without_tensors_by_name_is_an_error(tmp_path, content):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(DataError, match="holds no tensors by name"):
        weights_file.read(tmp_path / "weights.pt")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"^model\.weights: there is no file .*gone\.pt$"):
        finished(weights.read(Model(weights=str(tmp_path / "gone.pt"))))


def learner(tensors, average=None):
    return {"learner": {"model": tensors, "average": average, "optimizer": {}}}


def marked(number):
    return {"fc.weight": torch.full((2,), float(number))}


def test_of_a_run_the_best_checkpoint_is_read_or_else_the_last(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    folder.parent.mkdir()
    checkpoint.save(folder, learner(marked(1)), step=1)
    assert weights_file.read(folder.parent)["fc.weight"][0] == 1
    checkpoint.save(folder, learner(marked(2)), step=2, best=True)
    checkpoint.save(folder, learner(marked(3)), step=3)
    assert weights_file.read(folder.parent)["fc.weight"][0] == 2
    assert weights_file.read(folder)["fc.weight"][0] == 2
    assert weights_file.of_checkpoint(folder, "last")["fc.weight"][0] == 3


@pytest.mark.parametrize(("averaged", "expected"), [(0, 1), (5, 9)])
def test_averaged_weights_count_once_there_are_some(tmp_path, averaged, expected):
    checkpoint.save(tmp_path / "c", learner(marked(1), {"model": marked(9), "count": averaged}), step=1)
    assert weights_file.of_checkpoint(tmp_path / "c", "last")["fc.weight"][0] == expected


def test_a_folder_without_checkpoints_is_an_error(tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match="no checkpoint in"):
        weights_file.read(tmp_path)


def test_without_weights_nothing_is_read():
    assert finished(weights.read(Model())) == ([], None)


def test_what_is_written_is_plain_torch(source):
    content = weights_file.encoded(source, "state_dict")
    assert set(torch.load(io.BytesIO(content), weights_only=True)) == set(source)
