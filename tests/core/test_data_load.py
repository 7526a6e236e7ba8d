"""The one way to the images."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs
import pytest
import torch
from generators import finished

from cifar_core.config import Data
from cifar_core.data import places, progress
from cifar_core.data.load import load
from cifar_core.errors import DataError
from cifar_core.events import from_json, to_json


def test_limit_comes_first_and_validation_is_held_out_of_what_is_left():
    _, dataset = finished(load(Data(kind="synthetic", limit=500, validation=0.1), 3))
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (450, 50, 2000)
    kept = torch.cat([dataset.train.labels, dataset.val.labels])
    assert kept.bincount().tolist() == [50] * 10


def test_there_are_no_validation_images_unless_asked_for():
    assert finished(load(Data(kind="synthetic"), 3))[1].val is None


def test_validation_images_depend_on_the_seed():
    val = [finished(load(Data(kind="synthetic", limit=500, validation=0.1), seed))[1].val for seed in (3, 3, 4)]
    assert torch.equal(val[0].images, val[1].images)
    assert not torch.equal(val[0].images, val[2].images)


def test_share_that_leaves_a_side_empty_is_refused():
    with pytest.raises(DataError, match=r"a share of 0.01 of 20 training images leaves nothing to validate on"):
        finished(load(Data(kind="synthetic", limit=20, validation=0.01), 0))


ALL = {"kind": "synthetic", "classes": ["ring", "disc", "plus"], "limit": 300, "stratified": True, "imbalance": 4.0}


@pytest.mark.parametrize("held_out", [{"validation": 0.2}, {"folds": 5, "fold": 3}])
def test_what_is_trained_on_is_made_scarce_and_noisy_and_nothing_else_is(held_out):
    clean = finished(load(Data(**ALL, **held_out), 3))[1]
    noisy = finished(load(Data(**ALL, **held_out, label_noise=0.25), 3))[1]
    assert noisy.classes == ("ring", "disc", "plus")
    assert clean.train.labels.bincount().tolist() == [80, 40, 20]
    assert torch.equal(noisy.train.images, clean.train.images)
    assert int((noisy.train.labels != clean.train.labels).sum()) == 35
    assert noisy.val.labels.bincount().tolist() == [20] * 3
    assert noisy.test.labels.bincount().tolist() == [200] * 3
    for split in ("val", "test"):
        assert torch.equal(getattr(noisy, split).labels, getattr(clean, split).labels)


def test_folds_deal_all_training_images_and_no_test_image():
    whole = finished(load(Data(kind="synthetic", limit=103), 3))[1]
    config = {"kind": "synthetic", "limit": 103, "folds": 4}
    folds = [finished(load(Data(**config, fold=fold), 3))[1] for fold in (1, 2, 3, 4)]
    known = contents(whole.train)
    assert sorted(image for each in folds for image in contents(each.val)) == sorted(known)
    for each in folds:
        assert sorted(contents(each.train) + contents(each.val)) == sorted(known)
        assert torch.equal(each.test.images, whole.test.images)
        assert not set(contents(each.test)) & {*contents(each.train), *contents(each.val)}


def contents(split):
    """Each image as bytes."""
    return [image.numpy().tobytes() for image in split.images]


def test_root_with_a_nul_character_is_refused():
    with pytest.raises(DataError, match=r"^data\.root names no folder"):
        finished(load(Data(root="a\0b"), 0))


def test_root_of_an_unknown_user_is_refused():
    with pytest.raises(DataError, match=r"^data\.root names no folder, there is no such user's home"):
        finished(load(Data(root="~no-such-user/data"), 0))


def test_tilde_is_the_user_s_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert places.data_root(Data(root="~/data")) == Path("/home/someone/data")


@pytest.mark.parametrize("named", [None, ""])
def test_data_home_is_the_user_s_data_folder_unless_named(monkeypatch, named):
    monkeypatch.delenv("CIFAR_TUI_DATA", raising=False)
    if named is not None:
        monkeypatch.setenv("CIFAR_TUI_DATA", named)
    assert places.data_home() == platformdirs.user_data_path("cifar-tui", appauthor=False)


def test_unreadable_file_is_one_sentence(tmp_path, monkeypatch):
    def denied(self, *_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    (tmp_path / "cifar-10-python.tar.gz").touch()
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DataError, match=rf"^{tmp_path}/cifar-10-python.tar.gz cannot be read \(Permission denied\)"):
        finished(load(Data(root=str(tmp_path)), 0))


def test_folder_s_name_that_could_steer_a_terminal_is_escaped_in_events(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "home"))
    root = tmp_path / "pets \x1b[2J"
    for split in ("train", "test"):
        (root / split / "cat").mkdir(parents=True)
        (root / split / "cat" / "1.ppm").write_bytes(b"P6 1 1 255 abc")
    events, _ = finished(load(Data(kind="folder", root=str(root)), 0))
    assert {event.subject for event in events} == {r"pets \x1b[2J"}
    assert [from_json(to_json(event)) for event in events] == events


def test_progress_is_told_ten_times_a_second_and_at_the_end(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) / 1000)
    told = progress.Progress("decode", "pets", "images", total=1000)
    events = [event for done in range(1, 1001) for event in told.at(done)]
    assert 10 <= len(events) <= 11
    assert (events[0].done, events[-1].done) == (1, 1000)
