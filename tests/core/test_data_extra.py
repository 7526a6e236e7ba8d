"""Further test sets: folders of CLASS/image, and arrays as CIFAR-10.1 comes in."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from generators import finished
from PIL import Image

from cifar_core.config import Data
from cifar_core.data.extra import read_extra
from cifar_core.data.load import load
from cifar_core.data.synthetic import CLASSES
from cifar_core.errors import DataError

PETS = ("cat", "dog", "eel")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where decoded images are kept."""
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def pets(tmp_path):
    """A folder of three classes, with one image each, of different sizes."""
    for number, name in enumerate(PETS):
        path = tmp_path / "pets" / name / "1.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (32 * (number + 1), 40), (number, 100, 200)).save(path)
    return tmp_path / "pets"


@pytest.fixture
def arrays(tmp_path):
    """Write a set in two files; what they hold is random but for changes."""

    def written(name="cifar10.1_v6", data=None, labels=None):
        folder = tmp_path / "arrays"
        folder.mkdir(exist_ok=True)
        random = np.random.default_rng(1)
        data = random.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8) if data is None else data
        np.save(folder / f"{name}_data.npy", data)
        np.save(folder / f"{name}_labels.npy", np.arange(6, dtype=np.int32) % 3 if labels is None else labels)
        return folder

    return written


def read(*folders, classes=PETS):
    return finished(read_extra([str(folder) for folder in folders], classes))[1]


def refusal(*folders, classes=PETS):
    with pytest.raises(DataError) as told:
        read(*folders, classes=classes)
    assert str(told.value).isprintable()
    return str(told.value)


# Folders


def test_a_folder_is_called_by_its_name_and_its_classes_are_matched_by_theirs(pets):
    [(name, images)] = read(pets, classes=("eel", "fox", "cat", "dog")).items()
    assert name == "pets"
    assert images.labels.tolist() == [2, 3, 0]
    assert images.images.shape == (3, 3, 32, 32)
    assert images.images[:, :, 5, 5].tolist() == [[0, 100, 200], [1, 100, 200], [2, 100, 200]]


def test_decoded_images_are_kept(pets):
    first, _ = finished(read_extra([str(pets)], PETS))
    again, _ = finished(read_extra([str(pets)], PETS))
    assert [event.phase for event in first if event.phase == "decode"]
    assert not [event for event in again if event.phase == "decode"]


@pytest.mark.parametrize("named", ["{}/", "{}/../pets", "{}/."])
def test_a_name_is_that_of_the_folder_however_it_is_written(pets, named):
    assert list(read(named.format(pets))) == ["pets"]


def test_a_name_that_could_steer_a_terminal_is_escaped(pets):
    steering = pets.with_name("pets \x1b[2J")
    pets.rename(steering)
    assert list(read(steering)) == [r"pets \x1b[2J"]


def test_a_class_that_is_not_trained_is_told(pets):
    assert refusal(pets, classes=("cat", "dog")) == (
        f"{pets / 'eel'} is none of the training classes (cat, dog): rename or remove the folder"
    )


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("nowhere", "nowhere cannot be read (No such file or directory): data.extra_tests must name folders"),
        ("empty", "empty has no folders"),
        ("a\0b", "data.extra_tests names no folder, it holds a NUL character"),
        ("~no-such-user/x", "data.extra_tests names no folder, there is no such user's home"),
    ],
)
def test_what_is_no_such_folder_is_told(tmp_path, monkeypatch, named, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert sentence in refusal(named)


def test_a_damaged_image_is_told(pets):
    (pets / "cat" / "2.png").write_bytes(b"no image")
    assert "cat/2.png cannot be decoded" in refusal(pets)


# Arrays


def test_arrays_are_read_as_cifar_10_1_has_them(arrays):
    pixels = np.zeros((6, 32, 32, 3), dtype=np.uint8)
    pixels[:, 1, 2] = (10, 20, 30)
    [(name, images)] = read(arrays(data=pixels)).items()
    assert name == "cifar10.1_v6"
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert images.images[:, :, 1, 2].tolist() == [[10, 20, 30]] * 6
    assert int(images.images.long().sum()) == 6 * 60
    images.images[0, 0, 0, 0] = 255  # in memory alone
    assert int(read(arrays(data=pixels))[name].images.max()) == 30


def test_each_pair_of_arrays_in_a_folder_is_a_set(arrays):
    arrays("v4")
    assert list(read(arrays("v6"))) == ["v4", "v6"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": np.zeros((6, 32, 32, 3))}, "must hold uint8 of N x 32 x 32 x 3, not float64 of 6 x 32 x 32 x 3"),
        ({"data": np.zeros((6, 3, 32, 32), dtype=np.uint8)}, "not uint8 of 6 x 3 x 32 x 32"),
        ({"data": np.uint8(3)}, "cannot be read (it is a single number)"),
        ({"labels": np.zeros(5, dtype=np.int64)}, "must hold 6 whole numbers, one for each image"),
        ({"labels": np.zeros(6)}, "must hold 6 whole numbers"),
        ({"data": np.zeros((0, 32, 32, 3), np.uint8), "labels": np.zeros(0, np.int64)}, "holds no image"),
        ({"labels": np.array([0, 1, 2, 3, 0, 1])}, "has a label outside 0 to 2"),
        ({"labels": np.array([0, 1, 2, -1, 0, 1])}, "has a label outside 0 to 2"),
        ({"labels": np.array([0, 1, 2, 2**64 - 1, 0, 1], dtype=np.uint64)}, "has a label outside 0 to 2"),
    ],
)
def test_arrays_that_make_no_sense_are_told(arrays, changes, sentence):
    assert sentence in refusal(arrays(**changes))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 32, 32, 3), }".ljust(128),
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(127) + b"\n",
        b"\x93NUMPY\x01\x00v\x00" + b"(" * 118,
    ],
)
def test_what_is_no_array_is_told(arrays, content):
    folder = arrays()
    (folder / "cifar10.1_v6_data.npy").write_bytes(content)
    assert "cifar10.1_v6_data.npy cannot be read (it is no plain array)" in refusal(folder)


class Bomb:
    """Something that is run by whoever unpickles it."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_ever_unpickled(arrays):
    folder = arrays(labels=np.array([Bomb()] * 6, dtype=object))
    assert "cannot be read" in refusal(folder)
    (folder / "cifar10.1_v6_labels.npy").write_bytes(pickle.dumps(Bomb()))
    assert "cannot be read" in refusal(folder)


def test_arrays_without_labels_are_told(arrays):
    folder = arrays()
    (folder / "cifar10.1_v6_labels.npy").unlink()
    assert "cifar10.1_v6_labels.npy cannot be read (No such file or directory)" in refusal(folder)


# Together


def test_several_sets_come_in_order_and_no_two_share_a_name(pets, arrays, tmp_path):
    assert list(read(pets, arrays())) == ["pets", "cifar10.1_v6"]
    (tmp_path / "other").mkdir()
    pets.rename(tmp_path / "other" / "pets")
    (tmp_path / "pets").mkdir()
    assert refusal(tmp_path / "pets", tmp_path / "other" / "pets") == (
        "data.extra_tests: two sets are called pets: rename one, results are told by name"
    )


def loaded(folder, **changes):
    return finished(load(Data(kind="synthetic", limit=100, extra_tests=[str(folder)], **changes), 0))[1]


def test_a_set_that_lacks_a_class_is_told_unless_the_class_is_left_out(arrays):
    folder = arrays()
    with pytest.raises(DataError, match=r"^data\.extra_tests: cifar10\.1_v6 has no image of the class 'frame'"):
        loaded(folder)
    dataset = loaded(folder, classes=["square", "disc"])
    assert dataset.extra["cifar10.1_v6"].labels.tolist() == [1, 0, 1, 0]


def test_extra_images_are_not_touched_by_what_is_done_to_training_images(arrays):
    data = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2).repeat(3, 3)
    folder = arrays(data=data, labels=np.arange(10))
    dataset = loaded(folder, label_noise=0.9, imbalance=5.0, validation=0.2)
    assert dataset.extra["cifar10.1_v6"].labels.tolist() == list(range(len(CLASSES)))
    assert torch.equal(dataset.extra["cifar10.1_v6"].images[:, 0, 0, 0], torch.arange(10, dtype=torch.uint8))
