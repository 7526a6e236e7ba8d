"""The rows about classes: in order, aligned, and harmless whatever the classes are called."""

import pytest
from rich.cells import cell_len

from cifar_experiments.history import ClassAccuracy, Confused
from cifar_tui.widgets.per_class import class_rows, confused_rows

CLASSES = [
    ClassAccuracy("ship", 0.681, 0.042, 681, 1000),
    ClassAccuracy("cat", 0.31, -0.015, 310, 1000),
    ClassAccuracy("dog", 0.3, 0.0, 300, 1000),
    ClassAccuracy("none", None, None, 0, 0),
]


def texts(rows):
    return ["".join(text for text, _ in row) for row in rows]


def test_a_row_says_the_percentage_and_the_signed_change():
    rows = class_rows(CLASSES, 60, 99, plain=False)
    assert [text.split()[0] for text in texts(rows)] == ["ship", "cat", "dog", "none"]
    assert texts(rows)[0].endswith("68.1   +4.2")
    assert texts(rows)[1].endswith("31.0   -1.5")
    assert [rows[place][-1][1] for place in range(3)] == ["good", "bad", "muted"]


def test_a_bar_is_as_long_as_its_share():
    first, second, *_ = texts(class_rows(CLASSES, 80, 99, plain=True))
    assert first.count("#") / second.count("#") == pytest.approx(0.681 / 0.31, rel=0.1)


def test_a_class_without_images_has_neither_bar_nor_figure():
    text = texts(class_rows(CLASSES, 60, 99, plain=True))[3]
    assert text.split() == ["none", "-", "-"]


@pytest.mark.parametrize("width", [1, 5, 12, 24, 38, 60, 120])
@pytest.mark.parametrize("plain", [True, False])
def test_rows_that_have_room_are_equally_wide(width, plain):
    sizes = {cell_len(text) for text in texts(class_rows(CLASSES, width, 99, plain=plain))}
    assert len(sizes) == 1
    assert sizes == {width} or width < 24


def test_without_a_change_there_is_no_column_for_it():
    (text,) = texts(class_rows([ClassAccuracy("ship", 0.5, None, 1, 2)], 40, 99, plain=True))
    assert text.endswith(" 50.0")


def test_before_the_first_evaluation_there_is_a_sentence():
    assert "No evaluation yet" in texts(class_rows([], 80, 99, plain=False))[0]
    assert " ".join(texts(class_rows([], 20, 99, plain=False))).endswith("the end of an epoch.")


def test_names_steer_no_terminal():
    evil = [ClassAccuracy("\x1b[31m[bold]深\u0301x", 0.5, None, 1, 2)]
    text = "".join(texts(class_rows(evil, 60, 99, plain=False)))
    assert "\x1b" not in text
    assert "[bold]" in text
    assert texts(class_rows(evil, 60, 99, plain=True))[0].isascii()


def test_as_many_pairs_are_told_as_there_is_room_for():
    pairs = [Confused("cat", "dog", 212), Confused("dog", "cat", 1801), Confused("ship", "truck", 9)]
    assert texts(confused_rows(pairs, 80, 1, plain=False)) == [
        "most confused cat->dog 212  dog->cat 1,801  ship->truck 9  "
    ]
    rows = texts(confused_rows(pairs, 34, 2, plain=False))
    assert len(rows) == 2
    assert all(cell_len(row.rstrip()) <= 34 for row in rows)
    assert confused_rows([], 80, 2, plain=False) == []


def test_ten_classes_are_seen_at_once_in_a_small_terminal_too():
    ten = [ClassAccuracy(f"automobile{n}"[:10], 1 - n / 10, None, 1, 2) for n in range(10)]
    rows = texts(class_rows(ten, 36, 7, plain=True))
    assert len(rows) == 5
    assert rows[0] == "automobile  100.0  automobile   50.0"
    assert all(cell_len(row) <= 36 for row in rows)
    assert len(texts(class_rows(ten, 36, 4, plain=True))) == len(texts(class_rows(ten, 20, 7, plain=True))) == 10
