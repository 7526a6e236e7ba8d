"""Checkpoints keep what they are given, rotate, share files, and stay inside their folder."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import assert_nothing_superfluous, content, manifest, same, snapshot
from torch import nn

from cifar_core import checkpoint, durable
from cifar_core.checkpoint import CheckpointError, load, load_best, save


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def trained():
    """A model and an optimizer that have made a step, as state dicts."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "ema": list(model.parameters())}


@pytest.mark.parametrize(
    "state",
    [
        {},
        trained(),
        {str(dtype): torch.tensor([0, 1, 3]).to(dtype) for dtype in (torch.uint8, torch.int64, torch.bool)},
        {str(dtype): torch.randn(5).to(dtype) for dtype in (torch.float16, torch.bfloat16, torch.float64)},
        {"nan": torch.tensor([float("nan"), -0.0, float("-inf")]), "0-d": torch.tensor(7), "none": torch.empty(0, 3)},
        {"numbers": (float("nan"), float("inf"), -0.0, 5e-324, 2**200, -1, True, None, "", "\x1b \u2028 ü")},
        {"nested": [{"a": ({}, [], ((),))}, OrderedDict(x=1)], 3: {(1, "k"): {2.5: None}}},
        {"cpu": torch.Generator().manual_seed(3).get_state(), "python": random.Random(3).getstate()},
        {"numpy": np.random.default_rng(3).bit_generator.state},
    ],
    ids=["empty", "trained", "integers", "floats", "odd tensors", "scalars", "nested", "generators", "numpy generator"],
)
def test_loaded_state_is_the_saved_one_in_every_bit(folder, state):
    saved = save(folder, state, step=12)
    loaded = load(folder)
    assert same(loaded.state, state)
    assert (loaded.step, loaded.path, loaded.fell_back) == (12, saved.path, None)
    assert (saved.step, saved.bytes) == (12, saved.path.stat().st_size)


def test_restored_generators_draw_the_same_numbers(folder):
    torch_generator, python_generator = torch.Generator().manual_seed(3), random.Random(3)
    save(folder, {"torch": torch_generator.get_state(), "python": python_generator.getstate()}, step=1)
    expected = torch.rand(4, generator=torch_generator).tolist(), python_generator.random()
    state = load(folder).state
    torch_generator.set_state(state["torch"])
    python_generator.setstate(state["python"])
    assert (torch.rand(4, generator=torch_generator).tolist(), python_generator.random()) == expected


def test_tensors_that_share_memory_still_do(folder):
    weight = torch.zeros(4)
    save(folder, {"a": weight, "b": weight}, step=1)
    state = load(folder).state
    state["a"][0] = 1
    assert state["b"][0] == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_of_a_gpu_come_back_on_the_cpu(folder):
    weight = torch.randn(1000, device="cuda")
    save(folder, {"weight": weight}, step=1)
    assert same(load(folder).state, {"weight": weight.cpu()})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"top1": [0.5, np.float64(0.6)]}, r"state\['history'\]\['top1'\]\[1\], which is a numpy.float64"),
        ({np.int64(3): 0}, r"a key of state\['history'\], which is a numpy.int64"),
        ((np.zeros(2),), r"state\['history'\]\[0\], which is a numpy.ndarray"),
        ({1, 2}, r"state\['history'\], which is a builtins.set"),
        (Path("x"), "which is a pathlib"),
    ],
)
def test_what_could_not_be_loaded_again_is_refused_before_anything_is_written(folder, value, place):
    with pytest.raises(TypeError, match=place):
        save(folder, {"history": value}, step=1)
    assert not folder.exists()


def test_manifest_says_what_the_data_file_is(folder):
    saved = save(folder, content(1234), step=1234)
    about = json.loads((folder / "last.json").read_bytes())
    digest = checkpoint.sealed.hashlib.sha256(saved.path.read_bytes()).hexdigest()
    assert saved.path.name == about["file"] == f"000001234-{digest[:16]}.pt"
    assert (about["format"], about["sha256"], about["bytes"]) == (1, digest, saved.bytes)
    assert (about["step"], about["torch"]) == (1234, torch.__version__)


def test_last_becomes_previous_and_what_no_manifest_names_is_removed(folder):
    for step in (10, 20, 30):
        save(folder, content(step), step=step)
        assert_nothing_superfluous(folder)
    assert [manifest(folder, name).step for name in ("last", "previous")] == [30, 20]
    (folder / "last.json").unlink()
    loaded = load(folder)
    assert same(loaded.state, content(20))
    assert (loaded.step, loaded.fell_back) == (20, "the last checkpoint cannot be used: last.json is missing")


def test_best_shares_the_file_of_the_last_and_outlives_it(folder):
    save(folder, content(10), step=10, best=True)
    assert manifest(folder, "best").file == manifest(folder, "last").file
    for step in (20, 30, 40):
        save(folder, content(step), step=step)
        assert same(load_best(folder).state, content(10))
        assert_nothing_superfluous(folder)
    save(folder, content(50), step=50, best=True)
    assert load_best(folder).step == 50
    assert_nothing_superfluous(folder)


def test_best_saved_after_the_last_of_the_same_step_takes_no_second_file(folder):
    save(folder, content(10), step=10)
    save(folder, content(20), step=20)
    save(folder, content(20), step=20, best=True, last=False)
    assert [manifest(folder, name).step for name in ("last", "previous", "best")] == [20, 10, 20]
    assert len(list(folder.glob("*.pt"))) == 2


def test_best_alone_leaves_last_and_previous(folder):
    save(folder, content(10), step=10)
    save(folder, content(15), step=15, best=True, last=False)
    assert manifest(folder, "previous") is None
    assert (load(folder).step, load_best(folder).step) == (10, 15)


def test_neither_best_nor_last_is_refused(folder):
    with pytest.raises(ValueError, match="neither"):
        save(folder, content(1), step=1, last=False)


def test_same_step_saved_again_keeps_an_earlier_one_to_fall_back_to(folder):
    for step in (10, 20, 20):
        save(folder, content(step), step=step)
    assert [manifest(folder, name).step for name in ("last", "previous")] == [20, 10]


def shorten(path):
    os.truncate(path, 100)


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[200] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(("damage", "next_step"), [(shorten, 20), (shorten, 30), (flip, 20), (Path.unlink, 30)])
def test_after_a_fall_back_the_damaged_checkpoint_does_not_replace_the_good_one(folder, damage, next_step):
    save(folder, content(10), step=10)
    damage(save(folder, content(20), step=20).path)
    assert load(folder).step == 10
    save(folder, content(next_step), step=next_step)
    assert_nothing_superfluous(folder)
    (folder / "last.json").unlink()
    assert same(load(folder).state, content(10))


def test_remains_of_dead_writers_are_removed_and_other_files_are_not(folder):
    folder.mkdir()
    (folder / ".0123456789abcdef.part").write_bytes(b"half")
    (folder / "000000007-0123456789abcdef.pt").write_bytes(b"named by nobody")
    others = ["notes.txt", "weights.pt", "7-0123456789abcdef.pt", ".hidden.part"]
    for name in others:
        (folder / name).write_bytes(b"mine")
    (folder / "000000008-0123456789abcdef.pt").mkdir()
    saved = save(folder, content(10), step=10)
    assert {path.name for path in folder.iterdir()} == {
        *others,
        "last.json",
        saved.path.name,
        "000000008-0123456789abcdef.pt",
    }


def test_data_named_by_a_damaged_manifest_are_kept_for_whoever_may_rescue_them(folder):
    path = save(folder, content(10), step=10, best=True).path
    about = (folder / "best.json").read_bytes()
    (folder / "best.json").write_bytes(about[:-20])
    for step in (20, 30, 40):
        save(folder, content(step), step=step)
    assert path.exists()
    with pytest.raises(CheckpointError, match=r"best\.json is damaged"):
        load_best(folder)


def test_file_modes_follow_the_umask(folder):
    before = os.umask(0o027)
    try:
        save(folder, content(10), step=10)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}


def test_nothing_is_there_to_load(folder, tmp_path):
    for missing in (folder, tmp_path):
        with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used") as caught:
            load(missing)
        assert caught.value.exit_code == 4
    assert not folder.exists()


def test_missing_folders_are_made(folder):
    deep = folder / "a/b"
    save(deep, content(10), step=10)
    assert load(deep).step == 10


def test_relative_folder_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert save(Path("checkpoints"), content(10), step=10).path == load(Path("checkpoints")).path


@pytest.fixture
def other_file_system():
    """A folder on another file system than the one for temporary files."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("has no second file system to write to")
    path = shared / f"checkpoints-{os.getpid()}-{threading.get_ident()}"
    path.mkdir()
    yield path
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


def test_no_file_is_made_anywhere_else(other_file_system, tmp_path, monkeypatch):
    assert other_file_system.stat().st_dev != tmp_path.stat().st_dev
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(elsewhere))
    monkeypatch.chdir(elsewhere)
    made = []
    real = os.open

    def recording(path, flags, mode=0o777, *, dir_fd=None):
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            assert flags & os.O_EXCL
            assert Path(f"/proc/self/fd/{dir_fd}").readlink() == other_file_system
            made.append(str(path))
        return real(path, flags, mode, dir_fd=dir_fd)

    before = snapshot(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", recording)
        for step in (10, 20):
            save(other_file_system, content(step), step=step, best=True)
    assert len(made) == 7
    assert not [name for name in made if "/" in name]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["last.json", "previous.json", "best.json"])
def test_manifest_that_is_a_link_is_replaced_and_what_it_points_to_is_not_touched(folder, tmp_path, name):
    save(folder, content(10), step=10)
    save(folder, content(20), step=20)
    victim = tmp_path / "victim"
    victim.write_bytes((folder / "last.json").read_bytes())
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    before = snapshot(victim)
    for step in (30, 40):
        save(folder, content(step), step=step, best=True)
    assert snapshot(victim) == before
    assert not (folder / name).is_symlink()
    assert_nothing_superfluous(folder)


def test_links_where_files_are_to_be_written_are_not_followed(folder, tmp_path, monkeypatch):
    name = save(tmp_path / "elsewhere", content(10), step=10).path.name
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder.mkdir()
    (folder / name).symlink_to(victim)
    save(folder, content(10), step=10)
    assert not (folder / name).is_symlink()
    # Even one that appears after the folder was tidied, under the very name that comes next.
    monkeypatch.setattr(durable.secrets, "token_hex", lambda _: "0" * 16)
    monkeypatch.setattr(checkpoint, "_sweep", lambda _: None)
    (folder / f".{'0' * 16}.part").symlink_to(victim)
    with pytest.raises(CheckpointError, match="File exists"):
        save(folder, content(20), step=20)
    assert victim.read_bytes() == b"mine"


def test_folder_that_is_a_link_is_refused(folder, tmp_path):
    target = tmp_path / "target"
    save(target, content(10), step=10)
    folder.symlink_to(target)
    before = snapshot(target)
    with pytest.raises(CheckpointError, match="could not be saved"):
        save(folder, content(20), step=20)
    with pytest.raises(CheckpointError, match="cannot be opened"):
        load(folder)
    assert snapshot(target) == before


def test_reader_always_finds_a_whole_checkpoint_while_another_thread_saves(folder):
    save(folder, content(1), step=1)
    failures = []

    def write():
        try:
            for step in range(2, 60):
                save(folder, content(step), step=step, best=step % 5 == 0)
        except CheckpointError as failure:
            failures.append(failure)

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while writer.is_alive():
        loaded = load(folder)
        assert same(loaded.state, content(loaded.step))
        seen.append(loaded.step)
    writer.join()
    assert not failures
    assert seen == sorted(seen)
    assert len(set(seen)) > 5


def test_reader_overtaken_by_two_saves_looks_again(folder, monkeypatch):
    """The manifest that it has read names data that are gone before it opens them."""
    save(folder, content(10), step=10)
    real = checkpoint.sealed.read_state

    def overtaken(directory, about):
        if about.step == 10:
            save(folder, content(20), step=20)
            save(folder, content(30), step=30)
        return real(directory, about)

    monkeypatch.setattr(checkpoint.sealed, "read_state", overtaken)
    loaded = load(folder)
    assert (loaded.step, loaded.fell_back) == (30, None)
