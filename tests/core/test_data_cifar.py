"""CIFAR's folder and archive: found, checked, read."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from generators import finished

from cifar_core.config import Data
from cifar_core.data import archive
from cifar_core.data.cifar import CIFAR10, CIFAR100, Release, read_cifar
from cifar_core.data.load import load
from cifar_core.errors import DataError

NAMES = [f"class {i}" for i in range(10)]
FILES = (*CIFAR10.train, *CIFAR10.test)


def contents(per_file: int = 4) -> dict[str, bytes]:
    """A small CIFAR-10 as it lies in its folder; image i of all is filled with the value i."""
    files = {"batches.meta": pickle.dumps({"label_names": NAMES}, protocol=2)}
    for number, name in enumerate(FILES):
        values = np.arange(per_file * number, per_file * (number + 1), dtype=np.uint8)
        data = np.repeat(values[:, None], 3072, axis=1)
        files[name] = pickle.dumps({"data": data, "labels": [int(v) % 10 for v in values]}, protocol=2)
    return files


def write_folder(root: Path, files: dict[str, bytes]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (root / name).write_bytes(raw)


def packed(files: dict[str, bytes], change=lambda member: member) -> bytes:
    """A ``.tar.gz`` with the files in CIFAR-10's folder; ``change`` may spoil each member's header."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(f"{CIFAR10.folder}/{name}")
            member.size = len(raw)
            tar.addfile(change(member), io.BytesIO(raw))
    return stream.getvalue()


def release(files: dict[str, bytes], archived: bytes = b"") -> Release:
    """CIFAR-10 as if these files were the official ones."""
    md5 = {name: hashlib.md5(raw).hexdigest() for name, raw in files.items()}
    return dataclasses.replace(CIFAR10, md5=md5, sha256=hashlib.sha256(archived).hexdigest(), addresses=())


def assert_is_the_small_cifar(dataset):
    assert dataset.train.images.shape == (20, 3, 32, 32)
    assert dataset.train.images[:, 2, 31, 31].tolist() == list(range(20))
    assert dataset.train.labels.tolist() == [i % 10 for i in range(20)]
    assert dataset.test.images[:, 0, 0, 0].tolist() == [20, 21, 22, 23]
    assert dataset.test.labels.tolist() == [0, 1, 2, 3]
    assert dataset.val is None
    assert dataset.classes == tuple(NAMES)


@pytest.mark.parametrize("below", ["", CIFAR10.folder])
def test_folder_is_found_in_the_root_or_as_the_root(tmp_path, below):
    files = contents()
    write_folder(tmp_path / below, files)
    events, dataset = finished(read_cifar(release(files), Data(root=str(tmp_path))))
    assert_is_the_small_cifar(dataset)
    assert (events[-1].phase, events[-1].done, events[-1].total) == ("verify", 7, 7)


def test_root_is_the_environment_s_when_the_configuration_names_none(tmp_path, monkeypatch):
    files = contents()
    write_folder(tmp_path / CIFAR10.folder, files)
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path))
    assert_is_the_small_cifar(finished(read_cifar(release(files), Data()))[1])


def test_archive_is_read_without_unpacking_anything(tmp_path):
    files = contents()
    raw = packed(files)
    (tmp_path / CIFAR10.archive).write_bytes(raw)
    _, dataset = finished(read_cifar(release(files, raw), Data(root=str(tmp_path))))
    assert_is_the_small_cifar(dataset)
    assert [path.name for path in tmp_path.iterdir()] == [CIFAR10.archive]


def test_folder_wins_over_the_archive(tmp_path):
    files = contents()
    write_folder(tmp_path / CIFAR10.folder, files)
    (tmp_path / CIFAR10.archive).write_bytes(b"not looked at")
    assert_is_the_small_cifar(finished(read_cifar(release(files), Data(root=str(tmp_path))))[1])


def test_cifar100_has_its_fine_labels(tmp_path):
    names = [f"fine {i}" for i in range(100)]
    files = {"meta": pickle.dumps({"fine_label_names": names, "coarse_label_names": []}, protocol=2)}
    for name in ("train", "test"):
        batch = {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [99, 7], "coarse_labels": [0, 1]}
        files[name] = pickle.dumps(batch, protocol=2)
    write_folder(tmp_path / CIFAR100.folder, files)
    _, dataset = finished(read_cifar(CIFAR100, Data(kind="cifar100", root=str(tmp_path), verify=False)))
    assert dataset.train.labels.tolist() == [99, 7]
    assert dataset.classes == tuple(names)


@pytest.mark.parametrize("name", ["batches.meta", *FILES])
def test_flipped_bit_in_any_file_of_the_folder_is_refused(tmp_path, name):
    files = contents()
    spoiled = bytearray(files[name])
    spoiled[len(spoiled) // 2] ^= 1
    write_folder(tmp_path, {**files, name: bytes(spoiled)})
    with pytest.raises(DataError, match=rf"{name} differs from the official file .* data\.verify=false"):
        finished(read_cifar(release(files), Data(root=str(tmp_path))))


def test_verify_false_takes_re_encoded_images(tmp_path):
    write_folder(tmp_path, contents())
    _, dataset = finished(read_cifar(CIFAR10, Data(root=str(tmp_path), verify=False)))
    assert_is_the_small_cifar(dataset)


def test_file_missing_from_the_folder_is_named(tmp_path):
    files = contents()
    write_folder(tmp_path, files)
    (tmp_path / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"data_batch_3 is missing: unpack cifar-10-python\.tar\.gz again"):
        finished(read_cifar(release(files), Data(root=str(tmp_path))))


def spoiled_archive(tmp_path: Path, raw: bytes) -> str:
    """What reading ``raw`` as an unchecked archive complains about."""
    (tmp_path / CIFAR10.archive).write_bytes(raw)
    with pytest.raises(DataError) as refusal:
        finished(read_cifar(CIFAR10, Data(root=str(tmp_path), verify=False)))
    assert str(refusal.value).startswith(str(tmp_path / CIFAR10.archive))
    return str(refusal.value)


def test_archive_with_a_wrong_checksum_is_refused(tmp_path):
    files = contents()
    (tmp_path / CIFAR10.archive).write_bytes(packed(files))
    with pytest.raises(DataError, match=r"differs from the official archive \(SHA-256 .* delete it .* data\.verify"):
        finished(read_cifar(release(files, b"another"), Data(root=str(tmp_path))))


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_truncated_archive_is_refused_even_unchecked(tmp_path, kept):
    raw = packed(contents())
    assert "is damaged, its end is missing" in spoiled_archive(tmp_path, raw[: int(kept * len(raw))])


def test_archive_with_a_flipped_bit_is_refused_even_unchecked(tmp_path):
    raw = bytearray(packed(contents()))
    raw[-6] ^= 1  # gzip's own checksum
    assert "is damaged, it does not unpack" in spoiled_archive(tmp_path, bytes(raw))


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"<html>Not found</html>", "does not unpack"),
        (gzip.compress(b"no tar" * 1000), "is no tar archive"),
        (packed({}), "lacks cifar-10-batches-py/"),
        (packed(contents(), lambda m: m.replace(name="../" + m.name)), "lacks cifar-10-batches-py/"),
    ],
)
def test_archive_that_holds_something_else_is_refused(tmp_path, raw, complaint):
    assert complaint in spoiled_archive(tmp_path, raw)
    assert [path.name for path in tmp_path.iterdir()] == [CIFAR10.archive]


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(contents()["test_batch"])

    def link(member: tarfile.TarInfo) -> tarfile.TarInfo:
        if member.name.endswith("/test_batch"):
            member.type, member.linkname, member.size = tarfile.SYMTYPE, str(tmp_path / "secret"), 0
        return member

    assert "lacks cifar-10-batches-py/test_batch" in spoiled_archive(tmp_path, packed(contents(), link))


def test_member_that_declares_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBER", 1000)
    assert "is too large" in spoiled_archive(tmp_path, packed(contents()))


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    raw = gzip.compress(bytes(10**6))
    monkeypatch.setattr(archive, "MAX_ARCHIVE", 10**5)
    assert "unpacks to more than 100000 bytes" in spoiled_archive(tmp_path, raw)


def test_archive_too_large_to_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ARCHIVE", 1000)
    assert "is larger than 1000 bytes" in spoiled_archive(tmp_path, os.urandom(1001))


def test_official_checksums_are_those_that_torchvision_publishes():
    published = pytest.importorskip("torchvision.datasets")
    for ours, theirs in ((CIFAR10, published.CIFAR10), (CIFAR100, published.CIFAR100)):
        listed = dict([*theirs.train_list, *theirs.test_list, (theirs.meta["filename"], theirs.meta["md5"])])
        assert ours.md5 == listed
        assert (ours.folder, ours.archive) == (theirs.base_folder, theirs.filename)
        assert (ours.meta, ours.names_key) == (theirs.meta["filename"], theirs.meta["key"])


@pytest.fixture
def real_images() -> Path:
    named = os.environ.get("CIFAR_TUI_TEST_DATA")
    if not named:
        pytest.skip("CIFAR_TUI_TEST_DATA names no folder with real images")
    return Path(named)


@pytest.mark.real_data
def test_real_batches_hold_60_000_balanced_images(real_images):
    _, dataset = finished(load(Data(root=str(real_images), verify=False), 0))
    assert dataset.train.labels.bincount().tolist() == [5000] * 10
    assert dataset.test.labels.bincount().tolist() == [1000] * 10
    assert dataset.classes[:2] == ("airplane", "automobile")
    # Real photographs: bright on average, and neighbouring pixels alike.
    pixels = dataset.test.images.float()
    assert 110 < pixels.mean() < 130
    assert (pixels[..., 1:] - pixels[..., :-1]).abs().mean() < 15


@pytest.mark.real_data
def test_real_batches_that_were_re_encoded_are_refused_by_default(real_images):
    with pytest.raises(DataError, match=r"data\.verify=false"):
        finished(load(Data(root=str(real_images)), 0))
