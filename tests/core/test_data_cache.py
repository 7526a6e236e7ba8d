"""Decoded images are kept, found again, and never trusted blindly."""

from __future__ import annotations

import errno
import json
import os
import threading

import numpy as np
import pytest
import torch
from generators import finished
from PIL import Image

from cifar_core.config import Data
from cifar_core.data import cache, decode, progress
from cifar_core.data.load import load
from cifar_core.events import Warned


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two classes with three training images and one test image each; all differ."""
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "home"))
    root = tmp_path / "pets"
    value = 0
    for name in ("cat", "dog"):
        for place in ("train/{}/1.png", "train/{}/2.png", "train/{}/3.png", "test/{}/1.png"):
            path = root / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (value, 100, 200)).save(path)
            value += 1
    return root


@pytest.fixture
def decodes(monkeypatch):
    """The files that were decoded, as a list that grows."""
    names = []
    real = decode._pixels

    def counted(file):
        names.append(file.name)
        return real(file)

    monkeypatch.setattr(decode, "_pixels", counted)
    return names


def loaded(root):
    return finished(load(Data(kind="folder", root=str(root)), 0))[1]


def entries(root):
    return sorted((root.parent / "home/decoded").iterdir())


def assert_same(one, other):
    for a, b in ((one.train, other.train), (one.test, other.test)):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
    assert one.classes == other.classes


def test_second_load_decodes_nothing_and_gives_the_same(root, decodes):
    first = loaded(root)
    assert len(decodes) == 8
    assert_same(loaded(root), first)
    assert len(decodes) == 8


def test_moved_data_set_is_found_again(root, decodes):
    loaded(root)
    loaded(root.rename(root.parent / "animals"))
    assert len(decodes) == 8


def test_cached_tensors_may_be_written_to_and_change_no_file(root):
    first = loaded(root)
    cached = loaded(root)
    cached.train.images.zero_()
    assert_same(loaded(root), first)


def replace_content(root):
    Image.new("RGB", (32, 32), (77, 77, 77)).save(root / "train/cat/2.png")


def replace_content_and_hide_it(root):
    """As many bytes and the old modification time: only the change time tells."""
    path = root / "train/cat/2.png"
    about, size = path.stat(), path.stat().st_size
    replace_content(root)
    assert path.stat().st_size == size
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def add(root):
    Image.new("RGB", (32, 32), (77, 77, 77)).save(root / "train/cat/4.png")


def remove(root):
    (root / "train/cat/2.png").unlink()


def swap(root):
    (root / "train/cat/1.png").rename(root / "train/cat/0.png")
    (root / "train/cat/3.png").rename(root / "train/cat/1.png")


def move_to_another_class(root):
    (root / "train/cat/3.png").rename(root / "train/dog/0.png")


@pytest.mark.parametrize(
    "change",
    [replace_content, replace_content_and_hide_it, add, remove, swap, move_to_another_class],
    ids=lambda change: change.__name__,
)
def test_changed_images_are_decoded_anew_and_replace_the_entry(root, decodes, monkeypatch, tmp_path, change):
    loaded(root)
    outdated = entries(root)
    change(root)
    decodes.clear()
    changed = loaded(root)
    assert len(decodes) == len(changed.train) + len(changed.test)
    assert len(entries(root)) == 1
    assert entries(root) != outdated
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "another home"))
    assert_same(loaded(root), changed)


def test_other_data_sets_keep_their_entries(root, tmp_path):
    loaded(root)
    (tmp_path / "train.txt").write_text("pets/train/cat/1.png 0\n")
    for test in ("cat", "dog"):
        (tmp_path / f"{test}.txt").write_text(f"pets/test/{test}/1.png 0\n")
        finished(load(Data(kind="listing", root=str(tmp_path), test_list=f"{test}.txt"), 0))
    assert len(entries(root)) == 3


def truncate(entry):
    os.truncate(entry / "images.npy", 1000)


def flip_a_bit(entry):
    raw = bytearray((entry / "images.npy").read_bytes())
    raw[5000] ^= 1
    (entry / "images.npy").write_bytes(raw)


def spoil_the_description(entry):
    (entry / "about.json").write_text("[]")


def cut_the_description(entry):
    os.truncate(entry / "about.json", 10)


def forget_the_images(entry):
    (entry / "images.npy").unlink()


def hold_fewer_images(entry):
    np.save(entry / "images.npy", np.zeros((2, 3, 32, 32), np.uint8))
    about = json.loads((entry / "about.json").read_text())
    about["sha256"] = cache.hashlib.sha256((entry / "images.npy").read_bytes()).hexdigest()
    (entry / "about.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, spoil_the_description, cut_the_description, forget_the_images, hold_fewer_images],
    ids=lambda damage: damage.__name__,
)
def test_damaged_entry_is_rebuilt(root, decodes, damage):
    first = loaded(root)
    damage(entries(root)[0])
    events, again = finished(load(Data(kind="folder", root=str(root)), 0))
    assert not any(isinstance(event, Warned) for event in events)
    assert_same(again, first)
    assert len(decodes) == 16
    assert_same(loaded(root), first)
    assert len(decodes) == 16


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_after_writing_some(file, _header):
    file.write(bytes(1000))
    full()


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (np.lib.format, "write_array_header_1_0", full),
        (np.lib.format, "write_array_header_1_0", full_after_writing_some),
        (cache.tempfile, "mkdtemp", full),
        (cache.json, "dumps", full),
        (cache.Path, "mkdir", full),
        (cache.Path, "rename", full),
    ],
)
def test_full_disk_is_warned_of_and_the_decoded_images_are_used(root, monkeypatch, owner, name, fault):
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, fault)
        events, dataset = finished(load(Data(kind="folder", root=str(root)), 0))
    warning = events[-1]
    assert isinstance(warning, Warned)
    assert warning.code == "cache-not-written"
    assert "No space left on device" in warning.message
    assert not (root.parent / "home/decoded").exists() or entries(root) == []
    assert_same(loaded(root), dataset)


def test_entry_that_another_process_wrote_meanwhile_is_left_alone(root, monkeypatch):
    def overtaken(_, target):
        target.mkdir()
        (target / "theirs").touch()
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    monkeypatch.setattr(cache.Path, "rename", overtaken)
    events, _ = finished(load(Data(kind="folder", root=str(root)), 0))
    assert not any(isinstance(event, Warned) for event in events)
    assert [path.name for entry in entries(root) for path in entry.iterdir()] == ["theirs"]


def test_leftovers_of_dead_processes_do_no_harm_and_are_removed_once_old(root):
    loaded(root)
    decoded = root.parent / "home/decoded"
    old, young = decoded / f"{cache.UNFINISHED}old", decoded / f"{cache.UNFINISHED}young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "images.npy").write_bytes(b"half")
    os.utime(old, (0, 0))
    (decoded / "stray file").touch()
    replace_content(root)
    loaded(root)
    assert not old.exists()
    assert young.exists()


def test_closing_in_the_middle_leaves_no_thread_and_no_file(root, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    monkeypatch.setattr(decode, "CHUNK", 1)
    before = set(threading.enumerate())
    work = load(Data(kind="folder", root=str(root)), 0)
    next(event for event in work if event.phase == "decode")
    assert set(threading.enumerate()) != before
    work.close()
    assert set(threading.enumerate()) == before
    assert not (root.parent / "home").exists()
