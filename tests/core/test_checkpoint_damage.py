"""A checkpoint that is damaged, or made by somebody else, is never mistaken for a good one and runs nothing."""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import json
import operator
import os
import pickle
import random
import runpy
import shutil
import subprocess
import time
import timeit
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from checkpoints import content, manifest, same, snapshot

from cifar_core import sealed
from cifar_core.checkpoint import CheckpointError, load, load_best, save

LONG = os.environ.get("CIFAR_TUI_LONG_TESTS") == "1"
FLIPS, TRUNCATIONS = (500, 200) if LONG else (50, 20)


@pytest.fixture
def folder(tmp_path):
    """Holds the checkpoints of steps 10 (previous) and 20 (last)."""
    folder = tmp_path / "checkpoints"
    for step in (10, 20):
        save(folder, content(step), step=step)
    return folder


def last_data(folder):
    return folder / manifest(folder, "last").file


def last_manifest(folder):
    return folder / "last.json"


def assert_falls_back(folder, reason=""):
    before = snapshot(folder)
    loaded = load(folder)
    assert (loaded.step, same(loaded.state, content(10))) == (10, True)
    assert loaded.fell_back.startswith("the last checkpoint cannot be used: ")
    assert reason in loaded.fell_back
    assert len(loaded.fell_back) < 300
    assert "\n" not in loaded.fell_back
    assert snapshot(folder) == before


@pytest.mark.parametrize("which", [last_data, last_manifest])
def test_every_flipped_bit_is_noticed(folder, which):
    path = which(folder)
    good = path.read_bytes()
    for bit in random.Random(1).sample(range(8 * len(good)), FLIPS):
        raw = bytearray(good)
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        assert_falls_back(folder)
    path.write_bytes(good)
    assert load(folder).fell_back is None


@pytest.mark.parametrize("which", [last_data, last_manifest])
def test_every_truncation_is_noticed(folder, which):
    path = which(folder)
    good = path.read_bytes()
    for length in [0, len(good) - 1, *random.Random(2).sample(range(1, len(good) - 1), TRUNCATIONS - 2)]:
        path.write_bytes(good[:length])
        assert_falls_back(folder)
    path.write_bytes(good)
    assert load(folder).fell_back is None


def test_data_of_another_size_are_not_even_read(folder):
    path = last_data(folder)
    os.truncate(path, 1 << 40)  # a hole: takes no room on disk, and would take a terabyte in memory
    assert f"it has {1 << 40} bytes" in load(folder).fell_back


@pytest.mark.parametrize("which", [last_data, last_manifest])
@pytest.mark.parametrize("kind", ["missing", "link", "dangling", "folder", "pipe"])
def test_what_is_no_file_is_not_read(folder, tmp_path, which, kind):
    path = which(folder)
    if kind == "link":
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
    else:
        path.unlink()
    if kind == "dangling":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    words = {"missing": "is missing", "link": "Is a symbolic link", "dangling": "Is a symbolic link"}
    before = {p.name: p.lstat().st_mode for p in folder.iterdir()}
    loaded = load(folder)
    assert (loaded.step, same(loaded.state, content(10))) == (10, True)
    assert f"{path.name} " in loaded.fell_back
    assert words.get(kind, "Is not a regular file") in loaded.fell_back
    assert {p.name: p.lstat().st_mode for p in folder.iterdir()} == before


@pytest.mark.parametrize("which", [last_data, last_manifest])
def test_file_that_cannot_be_read_is_fallen_back_from(folder, monkeypatch, which):
    real = os.open
    name = which(folder).name

    def failing(path, *arguments, **options):
        if path == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", failing)
    loaded = load(folder)
    assert loaded.step == 10
    assert loaded.fell_back == f"the last checkpoint cannot be used: {name} cannot be read (Input/output error)"


def resealed(folder, **changes):
    """Change the last manifest as somebody would who knows how it is sealed."""
    about = msgspec.structs.replace(manifest(folder, "last"), **changes)
    last_manifest(folder).write_bytes(sealed.to_line(about))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "another version (Invalid enum value 2"),
        ({"format": "1"}, "another version"),
        ({"file": 7}, "Expected `str`, got `int`"),
        ({"step": "20"}, "Expected `int`, got `str`"),
        ({"step": -1}, "Expected `int` >= 0"),
        ({"step": 21}, "cannot be its own"),
        ({"bytes": -1}, "Expected `int` >= 0"),
        ({"bytes": 1.5}, "Expected `int`"),
        ({"time": None}, "Expected `float`"),
        ({"sha256": "0" * 64}, "cannot be its own"),
        ({"sha256": "0" * 63}, "damaged or of another version"),
        ({"sha256": "0" * 64 + "\n"}, "damaged or of another version"),
        ({"sha256": "../" * 21 + "0"}, "damaged or of another version"),
        ({"file": "../x.pt"}, "cannot be its own"),
        ({"file": "/etc/passwd"}, "cannot be its own"),
        ({"file": "last.json"}, "cannot be its own"),
        ({"file": ""}, "cannot be its own"),
    ],
)
def test_manifest_that_says_something_wrong_is_refused_even_when_sealed(folder, changes, reason):
    resealed(folder, **changes)
    assert_falls_back(folder, reason)


@pytest.mark.parametrize("path", ["../{}", "{parent}/{}", "./{}", "{}/../{}"])
def test_data_file_is_never_looked_for_by_a_path(folder, path):
    good = last_data(folder)
    shutil.copy(good, folder.parent)
    resealed(folder, file=path.format(good.name, good.name, parent=folder.parent))
    assert_falls_back(folder, "names a data file that cannot be its own")


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"{}", b"[]", b"null", b"7", b"\xff\xfe", b"{" * 3000, b"[" * 100_000, b"\0" * 350, b" " * 10_000_000],
    ids=lambda text: repr(text[:4]) + f" {len(text)}",
)
def test_manifest_that_is_none_is_refused(folder, text):
    last_manifest(folder).write_bytes(text)
    assert_falls_back(folder, "last.json is damaged")


def test_manifest_is_not_read_beyond_its_usual_size(folder):
    os.truncate(last_manifest(folder), 1 << 40)
    assert "last.json is damaged" in load(folder).fell_back
    save(folder, content(30), step=30)
    assert load(folder).step == 30


def test_manifest_with_another_key_or_without_its_seal_is_refused(folder):
    about = json.loads(last_manifest(folder).read_bytes())
    for changed in ({**about, "more": 1}, {**about, "seal": ""}, {**about, "seal": about["seal"].upper()}):
        last_manifest(folder).write_bytes(json.dumps(changed).encode())
        assert_falls_back(folder, "last.json is damaged")


def test_control_characters_do_not_reach_the_sentence(folder):
    about = last_manifest(folder).read_bytes()
    last_manifest(folder).write_bytes(about.replace(b'"time"', b'"\\u001b]0;x\\u0007"'))
    loaded = load(folder)
    assert loaded.fell_back.isprintable()


def test_when_both_are_damaged_it_says_why_and_changes_nothing(folder):
    last_data(folder).write_bytes(b"junk")
    (folder / "previous.json").write_bytes(b"junk")
    before = snapshot(folder)
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert "it has 4 bytes" in str(caught.value)
    assert "previous.json is damaged" in str(caught.value)
    assert str(folder) in str(caught.value)
    assert snapshot(folder) == before


def test_damaged_best_is_refused_without_falling_back(folder):
    path = save(folder, content(30), step=30, best=True).path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match="its SHA-256 is not the one that was saved"):
        load_best(folder)


class Payload:
    """Unpickling it calls ``function`` with ``arguments``."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def as_zip(payload):
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(2), "payload": payload}, file)
    return file.getvalue()


def as_old_format(payload):
    file = io.BytesIO()
    torch.save({"payload": payload}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def as_bare_pickle(payload):
    return pickle.dumps([payload])


def touch(marker):
    return f"__import__('pathlib').Path({str(marker)!r}).touch()"


def script(marker):
    path = marker.with_name("script.py")
    path.write_text(touch(marker))
    return str(path)


def evil_file(marker):
    path = marker.with_name("evil.pt")
    path.write_bytes(as_zip(Payload(eval, touch(marker))))
    return str(path)


PAYLOADS = {
    "os.system": lambda m: Payload(os.system, f"touch {m}"),
    "os.mkdir": lambda m: Payload(os.mkdir, str(m)),
    "os.mknod": lambda m: Payload(os.mknod, str(m)),
    "os.symlink": lambda m: Payload(os.symlink, "/", str(m)),
    "subprocess.call": lambda m: Payload(subprocess.call, ["touch", str(m)]),
    "subprocess.check_output": lambda m: Payload(subprocess.check_output, ["touch", str(m)]),
    "eval": lambda m: Payload(eval, touch(m)),
    "exec": lambda m: Payload(exec, touch(m)),
    "eval within a tensor's arguments": lambda m: Payload(torch.zeros, Payload(eval, f"{touch(m)} or 2")),
    "Path.touch": lambda m: Payload(Path.touch, m),
    "bound method": lambda m: Payload(m.touch),
    "methodcaller": lambda m: Payload(operator.methodcaller("touch"), m),
    "partial": lambda m: Payload(functools.partial(os.system, f"touch {m}")),
    "runpy": lambda m: Payload(runpy.run_path, script(m)),
    "timeit": lambda m: Payload(timeit.timeit, touch(m), "pass", time.perf_counter, 1),
    "shutil.copyfile": lambda m: Payload(shutil.copyfile, script(m), str(m)),
    "ndarray.tofile": lambda m: Payload(np.ndarray.tofile, np.zeros(3), str(m)),
    "pickle.loads": lambda m: Payload(pickle.loads, pickle.dumps(Payload(eval, touch(m)))),
    "torch.save": lambda m: Payload(torch.save, 1, str(m)),
    "torch.load": lambda m: Payload(functools.partial(torch.load, weights_only=False), evil_file(m)),
    "torch storage": lambda m: Payload(torch.storage._load_from_bytes, as_zip(Payload(eval, touch(m)))),
}


def forge(folder, data):
    """Put ``data`` in the place of the last checkpoint, with everything about them right."""
    digest = hashlib.sha256(data).hexdigest()
    name = f"000000020-{digest[:16]}.pt"
    (folder / name).write_bytes(data)
    resealed(folder, file=name, sha256=digest, bytes=len(data))


def test_what_is_forged_without_a_payload_loads(folder):
    """Or else the tests below would prove nothing."""
    forge(folder, as_zip(1))
    assert load(folder).state["payload"] == 1


@pytest.mark.parametrize("packed", [as_zip, as_old_format, as_bare_pickle], ids=lambda packed: packed.__name__)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_code_hidden_in_a_checkpoint_never_runs(folder, tmp_path, monkeypatch, payload, packed):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    marker = tmp_path / "marker"
    data = packed(payload(marker))
    forge(folder, data)
    assert_falls_back(folder, "is no checkpoint of this program")
    assert not os.path.lexists(marker)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_the_same_code_does_run_where_nothing_protects(tmp_path, payload):
    marker = tmp_path / "marker"
    torch.load(io.BytesIO(as_zip(payload(marker))), weights_only=False)
    assert os.path.lexists(marker)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (as_zip(1)[:-1], "is no checkpoint"),
        (b"", "is no checkpoint"),
        (b"PK\x03\x04", "is no checkpoint"),
        (b"\x80\x02]q\x00.", "is no checkpoint"),
        (b"\x80\x02" + b"(" * 100_000, "is no checkpoint"),
    ],
    ids=["cut archive", "empty", "start of an archive", "list", "deep"],
)
def test_other_contents_with_a_right_hash_are_refused(folder, data, reason):
    forge(folder, data)
    assert_falls_back(folder, reason)


def test_state_that_is_no_dict_is_refused(folder):
    file = io.BytesIO()
    torch.save([1, 2], file)
    forge(folder, file.getvalue())
    assert_falls_back(folder, "it holds a list")
