"""train/CLASS/image and test/CLASS/image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from generators import finished
from PIL import Image

from cifar_core.config import Data
from cifar_core.data.folder import SUFFIXES, find_in_folders
from cifar_core.data.load import load
from cifar_core.errors import DataError


def found(root):
    return finished(find_in_folders(root))[1]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two classes with two training images and one test image each, all of one colour."""
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "home"))
    root = tmp_path / "pets"
    for number, name in enumerate(("cat", "dog")):
        for place in ("train/{}/1.png", "train/{}/2.png", "test/{}/1.png"):
            path = root / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number, 100, 200)).save(path)
    return root


def test_classes_are_the_sorted_folders_and_images_follow_them(root):
    _, dataset = finished(load(Data(kind="folder", root=str(root)), 0))
    assert dataset.classes == ("cat", "dog")
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    assert dataset.test.labels.tolist() == [0, 1]
    assert dataset.train.images[:, :, 0, 0].tolist() == [[0, 100, 200]] * 2 + [[1, 100, 200]] * 2


def test_files_are_in_the_order_of_their_names(root):
    (root / "train/cat/2.png").rename(root / "train/cat/0.png")
    assert [file.name for file in found(root).train[:2]] == ["train/cat/0.png", "train/cat/1.png"]


def test_last_event_tells_that_all_files_were_looked_at(root):
    events, _ = finished(find_in_folders(root))
    assert (events[-1].done, events[-1].total) == (6, 6)


def test_hidden_and_other_files_and_inner_folders_are_left_alone(root):
    for name in (".hidden.png", "notes.txt", "1.png.part", "Thumbs.db"):
        (root / "train/cat" / name).write_bytes(b"no image")
    (root / "train/.git").mkdir()
    (root / "train/README").touch()
    (root / "train/cat/inner").mkdir()
    assert len(found(root).train) == 4
    assert found(root).classes == ("cat", "dog")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".JPeG"])
def test_images_are_known_by_their_suffix_in_any_case(root, suffix):
    (root / f"train/cat/3{suffix}").touch()
    assert found(root).train[2].name == f"train/cat/3{suffix}"


def test_links_to_files_and_folders_are_followed(root, tmp_path):
    (root / "train/dog").rename(tmp_path / "elsewhere")
    (root / "train/dog").symlink_to(tmp_path / "elsewhere")
    (root / "train/cat/3.png").symlink_to(tmp_path / "elsewhere/1.png")
    assert [file.label for file in found(root).train] == [0, 0, 0, 1, 1]


def test_class_without_test_images_is_accepted(root):
    (root / "test/dog/1.png").unlink()
    (root / "test/dog").rmdir()
    assert [file.label for file in found(root).test] == [0]


def refused(root) -> str:
    with pytest.raises(DataError) as refusal:
        found(root)
    assert str(refusal.value).isprintable()
    return str(refusal.value)


@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_split_is_named(root, split):
    (root / split).rename(root / "other")
    assert refused(root).startswith(f"{root / split} cannot be read (No such file or directory): data.root must hold")


@pytest.mark.parametrize("split", ["train", "test"])
def test_split_without_classes_is_named(root, split):
    (root / split).rename(root / "other")
    (root / split).mkdir()
    assert refused(root).startswith(f"{root / split} has no folders")


@pytest.mark.parametrize("split", ["train", "test"])
def test_empty_class_is_named(root, split):
    for path in (root / split / "dog").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert refused(root).startswith(f"{root / split / 'dog'} has no images")


def test_class_that_is_only_tested_is_named(root):
    (root / "test/bird").mkdir()
    assert refused(root) == f"{root}/test/bird is a class without training images: add train/bird"


@pytest.mark.parametrize("name", ["\x1b[2Jcat", "two\nlines", b"not utf-8 \xff"])
def test_class_name_that_could_steer_a_terminal_is_refused(root, name):
    (root / "train" / os.fsdecode(name)).mkdir()
    assert "is no class name, it holds control characters" in refused(root)


def test_dangling_link_is_named(root):
    (root / "train/cat/3.png").symlink_to(root / "nowhere")
    assert refused(root).startswith(f"{root}/train/cat/3.png cannot be read (No such file or directory)")


def test_pipe_is_refused_rather_than_waited_for(root):
    os.mkfifo(root / "train/cat/3.png")
    assert refused(root).startswith(f"{root}/train/cat/3.png cannot be read (it is no file)")


def test_file_name_that_could_steer_a_terminal_is_shown_escaped(root):
    (root / "train/cat/\x1b[2J\n.png").write_bytes(b"no image")
    with pytest.raises(DataError) as refusal:
        finished(load(Data(kind="folder", root=str(root)), 0))
    assert str(refusal.value).startswith(rf"{root}/train/cat/\x1b[2J\n.png cannot be decoded")


@pytest.mark.real_data
def test_real_images_in_folders_are_those_of_the_pickled_batch(tmp_path, monkeypatch):
    named = os.environ.get("CIFAR_TUI_TEST_DATA")
    if not named:
        pytest.skip("CIFAR_TUI_TEST_DATA names no folder with real images")
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "home"))
    for split in ("train", "test"):  # the smaller half of the folders, twice
        (tmp_path / split).symlink_to(Path(named).resolve() / "cifar10-folder/test")
    batch = finished(load(Data(root=named, verify=False), 0))[1].test
    for images in (finished(load(Data(kind="folder", root=str(tmp_path)), 0))[1].test for _ in ("decoded", "cached")):
        for label in range(10):
            ours, theirs = (it.images[it.labels == label] for it in (images, batch))
            assert torch.equal(ours, theirs)
