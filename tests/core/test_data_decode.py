"""Image files into pixels."""

from __future__ import annotations

import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from cifar_core.data import decode as module
from cifar_core.data import progress
from cifar_core.data.decode import decode
from cifar_core.data.files import look_at
from cifar_core.errors import DataError


def decoded(*paths):
    work = decode([look_at(str(path), path.name, 0) for path in paths], "pets")
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.fixture
def many(tmp_path):
    """400 images, image i filled with i // 2."""
    paths = [tmp_path / f"{i}.png" for i in range(400)]
    for i, path in enumerate(paths):
        Image.new("RGB", (32, 32), (i // 2,) * 3).save(path)
    return paths


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_lossless_images_come_back_exactly_as_planes(tmp_path, pixels, suffix):
    Image.fromarray(pixels).save(tmp_path / f"1{suffix}")
    images = decoded(tmp_path / f"1{suffix}")
    assert (images.shape, images.dtype) == ((1, 3, 32, 32), np.uint8)
    np.testing.assert_array_equal(images[0], pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_images_are_decoded(tmp_path, suffix):
    Image.new("RGB", (32, 32), (200, 100, 50)).save(tmp_path / f"1{suffix}")
    np.testing.assert_allclose(decoded(tmp_path / f"1{suffix}")[0, :, 16, 16], [200, 100, 50], atol=4)


@pytest.mark.parametrize("threads", [1, 4])
def test_images_keep_their_order(many, monkeypatch, threads):
    monkeypatch.setattr(module, "SMALL", 0 if threads > 1 else 10**6)
    monkeypatch.setattr(module.os, "cpu_count", lambda: threads)
    assert decoded(*many)[:, 0, 0, 0].tolist() == [i // 2 for i in range(400)]


def test_other_sizes_are_averaged_to_32_by_32(tmp_path):
    stripes = np.zeros((128, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    Image.fromarray(stripes).save(tmp_path / "1.png")
    images = decoded(tmp_path / "1.png")
    assert images.shape == (1, 3, 32, 32)
    np.testing.assert_allclose(images[0, :, 4:-4, 4:-4], 100, atol=15)


@pytest.mark.parametrize(
    ("image", "rgb"),
    [
        (Image.new("L", (32, 32), 70), [70, 70, 70]),
        (Image.new("1", (32, 32), 1), [255, 255, 255]),
        (Image.new("RGBA", (32, 32), (10, 20, 30, 128)), [10, 20, 30]),
        (Image.new("LA", (32, 32), (70, 0)), [70, 70, 70]),
        (Image.new("RGB", (32, 32), (255, 0, 0)).convert("P"), [255, 0, 0]),
        (Image.fromarray(np.full((32, 32), 70 * 256 + 99, np.uint16)), [70, 70, 70]),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_every_mode_becomes_rgb(tmp_path, image, rgb):
    image.save(tmp_path / "1.png")
    assert decoded(tmp_path / "1.png")[0, :, 5, 5].tolist() == rgb


def test_palette_with_transparency_becomes_rgb(tmp_path):
    image = Image.new("RGB", (32, 32), (255, 0, 0)).convert("P")
    image.save(tmp_path / "1.png", transparency=bytes(range(256)))
    assert decoded(tmp_path / "1.png")[0, :, 5, 5].tolist() == [255, 0, 0]


def test_first_undecodable_image_is_named(many):
    many[150].write_bytes(b"no image")
    many[390].write_bytes(b"no image")
    with pytest.raises(DataError, match=rf"^{many[150]} cannot be decoded \(it is damaged or no image\): mend or"):
        decoded(*many)
    assert decoders() == []


def test_truncated_image_is_named(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "1.png")
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"1.png cannot be decoded"):
        decoded(tmp_path / "1.png")


def test_image_that_vanished_is_named(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "1.png")
    file = look_at(str(tmp_path / "1.png"), "1.png", 0)
    (tmp_path / "1.png").unlink()
    with pytest.raises(DataError, match=r"1.png cannot be decoded \(No such file or directory\)"):
        list(decode([file], "pets"))


@pytest.mark.parametrize("side", [9_000, 10_000, 60_000])
def test_image_that_claims_to_be_huge_is_refused_undecoded(tmp_path, side):
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(DataError, match=r"bomb.png claims more than \d+ pixels"):
        decoded(tmp_path / "bomb.png")


def test_formats_that_run_programs_are_not_read(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "1.eps")
    (tmp_path / "1.eps").rename(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1.png cannot be decoded"):
        decoded(tmp_path / "1.png")


def test_progress_ends_with_all_images(many):
    events = list(decode([look_at(str(path), path.name, 0) for path in many], "pets"))
    last = events[-1]
    assert (last.phase, last.subject, last.done, last.total, last.unit) == ("decode", "pets", 400, 400, "images")


@pytest.mark.parametrize("threads", [1, 4])
def test_closing_in_the_middle_leaves_no_thread(many, monkeypatch, threads):
    monkeypatch.setattr(module, "SMALL", 0 if threads > 1 else 10**6)
    monkeypatch.setattr(module.os, "cpu_count", lambda: threads)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    work = decode([look_at(str(path), path.name, 0) for path in many], "pets")
    assert next(work).done < 400
    assert decoders() != []
    work.close()
    assert decoders() == []
