"""Lists of "path label" lines."""

from __future__ import annotations

import pytest
from generators import finished
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cifar_core.config import Data
from cifar_core.data.listing import MAX_CLASSES, find_in_lists, parse
from cifar_core.data.load import load
from cifar_core.errors import DataError


def parsed(text, classes=10):
    return [(line.number, line.path, line.label) for line in parse(text, "list.txt", classes)]


def test_line_is_a_path_and_a_label():
    assert parsed("a.png 3\nb/c.png\t0\n") == [(1, "a.png", 3), (2, "b/c.png", 0)]


def test_path_may_hold_spaces():
    assert parsed("my cat 2.png   7") == [(1, "my cat 2.png", 7)]


def test_blank_lines_and_comments_are_counted_and_skipped():
    assert parsed("# a list\n\n  \t\n  # more\r\na.png 1\r\n") == [(5, "a.png", 1)]


paths = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda path: path == path.strip(" \t") and not path.startswith("#")
)


@given(st.lists(st.tuples(paths, st.integers(0, 9), st.text(" \t", min_size=1), st.text("\n", min_size=1))))
def test_every_path_and_label_come_back(entries):
    text = "".join(f"{path}{gap}{label}{end}" for path, label, gap, end in entries)
    assert [(path, label) for _, path, label in parsed(text)] == [(path, label) for path, label, _, _ in entries]


@given(st.text())
def test_any_text_gives_lines_or_names_one(text):
    try:
        lines = parsed(text)
    except DataError as error:
        assert str(error).startswith("list.txt, line ")  # noqa: PT017 - either outcome is right
        return
    assert all(0 <= label < 10 and path for _, path, label in lines)


@pytest.mark.parametrize("label", ["cat", "-1", "1.0", "1_0", "+1", "٣", "0x1", "nan", "1" * 5000])
def test_label_that_is_no_whole_number_is_named(label):
    with pytest.raises(DataError, match=r"^list\.txt, line 2: the label '.*' is not a whole number"):
        parsed(f"a.png 1\nb.png {label}")


def test_label_out_of_range_is_named():
    with pytest.raises(DataError, match=r"^list\.txt, line 1: the label 10 is not in 0 to 9"):
        parsed("a.png 10")


def test_line_without_a_label_is_named():
    with pytest.raises(DataError, match=r"^list\.txt, line 1: has no label"):
        parsed("a.png")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three images, image i filled with i, listed for training (all) and testing (the last)."""
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "home"))
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.new("RGB", (32, 32), (i, i, i)).save(tmp_path / f"pictures/{i}.png")
    (tmp_path / "train.txt").write_text("pictures/2.png 4\npictures/0.png 0\npictures/1.png 1\n")
    (tmp_path / "test.txt").write_text("pictures/2.png 4\n")
    return tmp_path


def listed(root, **more):
    return finished(load(Data(kind="listing", root=str(root), **more), 0))[1]


def test_images_have_the_order_and_labels_of_the_lists(root):
    dataset = listed(root)
    assert dataset.train.images[:, 0, 0, 0].tolist() == [2, 0, 1]
    assert dataset.train.labels.tolist() == [4, 0, 1]
    assert dataset.test.images[:, 0, 0, 0].tolist() == [2]
    assert dataset.test.labels.tolist() == [4]


def test_without_names_there_are_as_many_classes_as_the_largest_training_label_asks_for(root):
    assert listed(root).classes == ("0", "1", "2", "3", "4")


def test_classes_file_names_the_classes(root):
    (root / "classes.txt").write_text("cat\ndog\n\nbird\nfrog\n sea horse \nship\n")
    assert listed(root).classes == ("cat", "dog", "bird", "frog", "sea horse", "ship")


def test_paths_are_relative_to_their_list(root):
    (root / "lists").mkdir()
    (root / "lists/mine.txt").write_text("../pictures/1.png 0\n")
    dataset = listed(root, train_list="lists/mine.txt", test_list="lists/mine.txt")
    assert dataset.train.images[0, 0, 0, 0] == 1


def test_absolute_paths_are_taken_as_they_are(root):
    (root / "test.txt").write_text(f"{root}/pictures/1.png 0\n")
    assert listed(root).test.images[0, 0, 0, 0] == 1


def test_last_event_tells_that_all_files_were_looked_at(root):
    events, _ = finished(find_in_lists(root, "train.txt", "test.txt"))
    assert (events[-1].done, events[-1].total) == (4, 4)


def test_missing_image_is_named_with_list_and_line(root):
    with (root / "train.txt").open("a") as file:
        file.write("# late\nno such.png 1\n")
    with pytest.raises(DataError, match=rf"^{root}/train.txt, line 5: the image no such.png cannot be read \(No such"):
        listed(root)


def test_folder_in_a_list_is_refused(root):
    (root / "train.txt").write_text("pictures 4\n")
    with pytest.raises(DataError, match=r"line 1: the image pictures cannot be read \(it is no file\)"):
        listed(root)


def test_test_label_that_no_training_image_has_room_for_is_named(root):
    (root / "test.txt").write_text("pictures/2.png 5\n")
    with pytest.raises(DataError, match=r"test.txt, line 1: the label 5 is not in 0 to 4"):
        listed(root)


def test_label_beyond_the_named_classes_is_named(root):
    (root / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=r"train.txt, line 1: the label 4 is not in 0 to 1"):
        listed(root)


def test_absurd_label_makes_no_million_classes(root):
    (root / "train.txt").write_text("pictures/2.png 999999999\n")
    with pytest.raises(DataError, match=f"the label 999999999 is not in 0 to {MAX_CLASSES - 1}"):
        listed(root)


@pytest.mark.parametrize("name", ["train.txt", "test.txt", "classes.txt"])
@pytest.mark.parametrize(
    ("content", "complaint"), [(b"\xff\xfe\x00a", "it is not UTF-8 text"), (b"\x00\x01 1\n", "it is binary")]
)
def test_binary_list_is_named(root, name, content, complaint):
    (root / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} cannot be read \({complaint}\)"):
        listed(root)


@pytest.mark.parametrize("name", ["train.txt", "test.txt"])
def test_empty_list_is_named(root, name):
    (root / name).write_text("# nothing yet\n")
    with pytest.raises(DataError, match=f"{name} names no image"):
        listed(root)


@pytest.mark.parametrize("name", ["train.txt", "test.txt"])
def test_missing_list_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(DataError, match=rf"{name} cannot be read \(No such file or directory\)"):
        listed(root)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("\n", "each class once"), ("cat\ncat\n", "each class once"), ("c\x1bat\n", r"the class name c\\x1bat holds")],
)
def test_class_names_that_make_no_sense_are_refused(root, text, complaint):
    (root / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=rf"classes.txt.* {complaint}"):
        listed(root)


def test_byte_order_mark_is_no_part_of_the_first_path(root):
    (root / "test.txt").write_text("pictures/1.png 0\n", encoding="utf-8-sig")
    assert listed(root).test.images[0, 0, 0, 0] == 1
