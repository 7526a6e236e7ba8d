"""The last words: a row for each class, the best-known first, and one line."""

import io

import pytest
from rich.console import Console
from samples import evaluated

from cifar_core.events import RunFinished
from cifar_tui import summary


def counted(correct, total):
    return evaluated(top1=sum(correct) / sum(total), class_correct=tuple(correct), class_total=tuple(total))


def drawn(table):
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    return [line for line in console.file.getvalue().splitlines() if "│" in line]


def test_classes_come_best_first_and_sum_up():
    rows = drawn(summary.per_class(("cat", "ship"), counted([10, 80], [100, 100])))
    assert [row.split("│")[1].strip() for row in rows] == ["ship", "cat", "all"]
    assert "80.0 %" in rows[0]
    assert rows[0].count("█") == 8 * rows[1].count("█") == 16
    assert "45.0 %" in rows[2]
    assert "90/200" in rows[2]


def test_a_class_without_images_divides_nothing():
    assert "0.0 %" in drawn(summary.per_class(("none", "some"), counted([0, 1], [0, 1])))[1]


def test_a_class_name_cannot_steer_the_terminal_or_mark_text_up():
    rows = drawn(summary.per_class(("\x1b[2J", "[red]x"), counted([2, 1], [2, 2])))
    assert r"\x1b[2J" in rows[0]
    assert "[red]x" in rows[1]


@pytest.mark.parametrize(("best", "words"), [(None, False), (0.9, True)])
def test_the_last_line_tells_only_what_is_known(best, words):
    finished = RunFinished(
        time=0.0,
        reason="stopped",
        epoch=1,
        step=1_234,
        best_top1=best,
        training_seconds=1.0,
        evaluation_seconds=2.0,
        data_seconds=0.5,
        paused_seconds=0.0,
    )
    line = summary.in_one_line(finished)
    assert line.startswith("stopped after step 1,234")
    assert ("best val 90.00 %" in line) == words
    assert "test" not in line
    assert "training 1.5 s" in line
