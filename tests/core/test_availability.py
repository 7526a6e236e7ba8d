"""Whether images are there is told at once, and as loading them would find."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from generators import finished

from cifar_core.config import Data
from cifar_core.data import cifar, synthetic
from cifar_core.data.availability import CLASSES, Availability, availability
from cifar_core.data.load import load
from cifar_core.data.releases import CIFAR10, CIFAR100
from cifar_core.errors import DataError

KINDS = {"cifar10": CIFAR10, "cifar100": CIFAR100}
SIZES = (50_000, 10_000)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever would be downloaded is told by an error."""

    def refused(*_):
        raise DataError("would be downloaded")
        yield

    monkeypatch.setattr(cifar, "download", refused)


def refusal(config):
    """What loading says against it; nothing is right in these files, so it always says something."""
    with pytest.raises(DataError) as caught:
        finished(load(config, 0))
    return str(caught.value)


def unpack(folder, release):
    folder.mkdir(parents=True, exist_ok=True)
    for name in release.md5:
        (folder / name).touch()


def sort_into_folders(root):
    for split in ("train", "test"):
        (root / split / "cat").mkdir(parents=True)
        (root / split / "cat" / "1.ppm").write_bytes(b"P6 1 1 255 abc")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", [False, True])
def test_a_release_is_found_in_its_folder_or_as_the_root(kind, below, tmp_path):
    folder = tmp_path / KINDS[kind].folder if below else tmp_path
    unpack(folder, KINDS[kind])
    config = Data(kind=kind, root=str(tmp_path))
    assert availability(config) == Availability(True, f"{kind} is in {folder}", False, SIZES)
    assert refusal(config).startswith(f"{folder}/")


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_is_found_in_its_archive(kind, tmp_path):
    path = tmp_path / KINDS[kind].archive
    path.touch()
    config = Data(kind=kind, root=str(tmp_path))
    assert availability(config) == Availability(True, f"{kind} is in {path}", False, SIZES)
    assert refusal(config).startswith(f"{path} ")


def test_the_folder_wins_over_the_archive(tmp_path):
    unpack(tmp_path / CIFAR10.folder, CIFAR10)
    (tmp_path / CIFAR10.archive).touch()
    assert availability(Data(root=str(tmp_path))).sentence == f"cifar10 is in {tmp_path / CIFAR10.folder}"


@pytest.mark.parametrize(("kind", "size"), [("cifar10", "170 MB"), ("cifar100", "169 MB")])
def test_what_is_not_there_would_be_downloaded(kind, size, tmp_path):
    config = Data(kind=kind, root=str(tmp_path))
    sentence = f"{kind} is not in {tmp_path}: {size} would be downloaded"
    assert availability(config) == Availability(False, sentence, True, SIZES)
    assert refusal(config) == "would be downloaded"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arrived", "told"), [(0, ""), (60_000_000, ", of which 60 MB are"), (10**9, ", of which 170 MB are")]
)
def test_what_has_arrived_of_a_download_is_told(arrived, told, tmp_path):
    with (tmp_path / f"{CIFAR10.archive}.part").open("wb") as part:
        part.truncate(arrived)
    found = availability(Data(root=str(tmp_path)))
    assert found.downloadable
    assert found.sentence.removesuffix(" there already").endswith(f"170 MB would be downloaded{told}")


def test_a_folder_that_does_not_exist_yet_is_no_hindrance(tmp_path):
    assert availability(Data(root=str(tmp_path / "new" / "data"))).downloadable


def test_the_folder_of_the_user_is_looked_in_unless_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path))
    assert not availability(Data()).there
    (tmp_path / CIFAR10.archive).touch()
    assert availability(Data()).there


@pytest.mark.parametrize("name", [*CIFAR10.md5])
def test_a_file_that_the_folder_lacks_is_told_as_loading_tells_it(name, tmp_path):
    unpack(tmp_path, CIFAR10)
    (tmp_path / name).unlink()
    config = Data(root=str(tmp_path), verify=False)
    found = availability(config)
    assert not found.there
    # Without these two it is no folder of the release.
    assert found.downloadable == (name in (CIFAR10.meta, CIFAR10.test[0]))
    if not found.downloadable:
        assert found.sentence.startswith(f"{tmp_path / name} is missing: unpack {CIFAR10.archive} again")
    else:
        assert refusal(config) == "would be downloaded"


def test_missing_files_are_told_in_the_words_of_loading(tmp_path, monkeypatch):
    unpack(tmp_path, CIFAR100)
    (tmp_path / "train").unlink()
    monkeypatch.setattr(cifar.pickles, "read_names", lambda *_: ())
    config = Data(kind="cifar100", root=str(tmp_path), verify=False)
    assert availability(config).sentence == refusal(config)


def test_an_archive_that_is_a_folder_is_told_as_loading_tells_it(tmp_path):
    (tmp_path / CIFAR10.archive).mkdir()
    config = Data(root=str(tmp_path))
    assert availability(config) == Availability(False, refusal(config), False, SIZES)


@pytest.mark.parametrize("files", ["archive", "folder"])
def test_what_may_not_be_read_is_told_as_loading_tells_it(files, tmp_path, monkeypatch):
    def denied(self, *_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    if files == "archive":
        (tmp_path / CIFAR10.archive).touch()
    else:
        unpack(tmp_path, CIFAR10)
    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(Path, "read_bytes", denied)
    config = Data(root=str(tmp_path))
    found = availability(config)
    assert (found.there, found.downloadable) == (False, False)
    assert "cannot be read (Permission denied): mend that or choose another data.root" in found.sentence
    if files == "archive":
        assert found.sentence == refusal(config)


@pytest.mark.parametrize("root", ["a\0b", "~no-such-user/data", "x" * 300, "x\x1b[2J"])
@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "folder", "listing"])
def test_a_root_that_is_none_is_told_in_one_printable_sentence(kind, root):
    found = availability(Data(kind=kind, root=root))
    assert not found.there
    assert found.sentence.isprintable()
    if not found.downloadable:
        assert found.sentence == refusal(Data(kind=kind, root=root))


def test_sorted_folders_are_there(tmp_path):
    sort_into_folders(tmp_path)
    config = Data(kind="folder", root=str(tmp_path))
    assert availability(config) == Availability(True, f"the images are in {tmp_path}", False, None)


@pytest.mark.parametrize("lacking", ["train", "test", "train/cat"])
def test_folders_that_are_missing_are_told_as_loading_tells_it(lacking, tmp_path):
    sort_into_folders(tmp_path)
    (tmp_path / lacking).rename(tmp_path / "elsewhere")
    config = Data(kind="folder", root=str(tmp_path))
    found = availability(config)
    assert found == Availability(False, refusal(config), False, None)
    assert found.sentence.startswith(f"{tmp_path / 'train' if 'train' in lacking else tmp_path / 'test'} ")


def test_lists_are_there_and_no_image_is_looked_at(tmp_path):
    for name in ("train.txt", "own.txt"):
        (tmp_path / name).write_text("not-there.png 0\n")
    config = Data(kind="listing", root=str(tmp_path), test_list="own.txt")
    assert availability(config) == Availability(True, f"the images are in {tmp_path}", False, None)


@pytest.mark.parametrize("text", [None, "", "no-label\n", "a.png 10000\n"])
def test_lists_that_make_no_sense_are_told_as_loading_tells_it(text, tmp_path):
    (tmp_path / "train.txt").write_text("a.png 0\n")
    if text is not None:
        (tmp_path / "test.txt").write_text(text)
    config = Data(kind="listing", root=str(tmp_path))
    assert availability(config) == Availability(False, refusal(config), False, None)


def test_drawn_images_are_always_there():
    found = availability(Data(kind="synthetic"))
    assert (found.there, found.downloadable) == (True, False)
    assert found.images == (synthetic.TRAIN_IMAGES, synthetic.TEST_IMAGES)
    assert CLASSES["synthetic"] == len(synthetic.CLASSES)


@pytest.mark.parametrize(
    ("kind", "classes", "images"),
    [("cifar10", ["cat", "dog"], (10_000, 2_000)), ("cifar100", ["seal", "otter"], (1_000, 200))],
)
def test_of_some_classes_the_images_are_counted_too(kind, classes, images, tmp_path):
    assert availability(Data(kind=kind, root=str(tmp_path), classes=classes)).images == images


@pytest.mark.real_data
def test_real_images_are_there():
    named = os.environ.get("CIFAR_TUI_TEST_DATA")
    if not named:
        pytest.skip("CIFAR_TUI_TEST_DATA names no folder with real images")
    assert availability(Data(root=named)).there
    assert availability(Data(kind="folder", root=f"{named}/cifar10-folder")).there


def test_it_waits_for_nothing_heavy():
    code = (
        "import sys; from cifar_core.config import Data; from cifar_core.data.availability import availability; "
        "[availability(Data(kind=kind, root='/nowhere')) for kind in ('cifar10', 'folder', 'listing', 'synthetic')]; "
        "print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
