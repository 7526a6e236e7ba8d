"""The end of a log: what is read of a file that grows, is cut, comes and goes; and the pane that shows it."""

import pytest
from rich.cells import cell_len
from textual.app import App

from cifar_tui.tail import FIRST_BYTES, MOST_LINES, Tail
from cifar_tui.widgets.log_tail import LogTail, log_rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.txt"


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def test_what_is_appended_is_read_and_nothing_twice(path):
    path.write_bytes(b"one\ntwo\n")
    tail = Tail(path)
    assert tail.read() == ("one", "two")
    assert tail.read() is None
    append(path, b"three\n")
    assert tail.read() == ("one", "two", "three")


def test_a_line_without_an_end_is_shown_and_completed_later(path):
    path.write_bytes(b"half")
    tail = Tail(path)
    assert tail.read() == ("half",)
    append(path, " ganz: größe\n".encode()[:-5])
    tail.read()
    append(path, " ganz: größe\n".encode()[-5:])
    assert tail.read() == ("half ganz: größe",)


def test_a_carriage_return_shows_what_comes_after_it(path):
    path.write_bytes(b"10 %\r20 %\r30 %\r\nwindows\r\n 1 %\r 2 %\r")
    assert Tail(path).read() == ("30 %", "windows", " 2 %")


def test_escape_sequences_are_harmless(path):
    path.write_bytes(b"\x1b[31mred\x07\xff [bold]\n")
    assert Tail(path).read() == ("\\x1b[31mred\\x07� [bold]",)


def test_of_a_big_file_only_the_end_is_read_from_a_whole_line_on(path):
    path.write_bytes(b"".join(b"%09d\n" % number for number in range(100_000)))
    lines = Tail(path).read()
    assert lines[-1] == "000099999"
    assert len(lines) == MOST_LINES
    assert all(len(line) == 9 for line in lines)


def test_a_flood_is_not_read_whole(path):
    path.write_bytes(b"begin\n")
    tail = Tail(path)
    tail.read()
    append(path, b"x" * 10 * FIRST_BYTES + b"\nend\n")
    assert tail.read() == ("end",)
    assert tail.read() is None


def test_a_line_without_any_end_takes_no_memory(path):
    path.write_bytes(b"")
    tail = Tail(path)
    for _ in range(20):
        append(path, b"y" * 60_000)
        (line,) = tail.read()
        assert len(line) <= 2000
    assert len(tail._rest) <= 8000


def test_a_file_that_was_cut_is_read_anew(path):
    path.write_bytes(b"a long first line\n")
    tail = Tail(path)
    tail.read()
    path.write_bytes(b"new\n")
    assert tail.read() == ("new",)


def test_a_file_that_was_replaced_is_read_anew(path, tmp_path):
    path.write_bytes(b"old\n")
    tail = Tail(path)
    tail.read()
    (tmp_path / "other").write_bytes(b"new one\n")
    (tmp_path / "other").rename(path)
    assert tail.read() == ("new one",)


def test_a_missing_file_is_a_sentence_once_and_may_come_later(path):
    tail = Tail(path)
    assert tail.read() == (f"{path} is not there.",)
    assert tail.read() is None
    path.write_bytes(b"here\n")
    assert tail.read() == ("here",)
    path.unlink()
    assert tail.read() == (f"{path} is not there any more.",)
    assert tail.read() is None


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path):
    (sentence,) = Tail(tmp_path).read()
    assert "cannot be read" in sentence


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("width", [2, 7, 20])
def test_long_lines_are_folded(width, plain):
    rows = log_rows(("short", "some words that are too wide", "深" * 30), width, plain=plain)
    assert all(cell_len(text) <= width for row in rows for text, _ in row)
    together = "".join(text for row in rows for text, _ in row)
    assert "深" * 30 in together or plain


class Stage(App):
    """One log."""

    CSS = "LogTail { height: 5; }"

    def __init__(self, path):
        super().__init__()
        self.log_pane = LogTail(path)

    def compose(self):
        yield self.log_pane


async def until(pilot, condition):
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came")


def shown(pane):
    return ["".join(segment.text for segment in pane.render_line(y)).rstrip() for y in range(pane.size.height)]


def test_what_goes_on_in_another_row_stands_further_right():
    rows = log_rows(("12:00:00 epoch 1/6  step 157  loss 2.3", "12:00:01 checkpoint"), 30, plain=False)
    assert ["".join(text for text, _ in row) for row in rows] == [
        "12:00:00 epoch 1/6  step 157",
        "  loss 2.3",
        "12:00:01 checkpoint",
    ]


async def test_the_pane_stays_at_the_end_until_somebody_scrolls_up(path):
    path.write_bytes(b"".join(b"%d\n" % number for number in range(20)))
    app = Stage(path)
    pane = app.log_pane
    async with app.run_test() as pilot:
        await until(pilot, lambda: shown(pane)[-1] == "19")
        append(path, b"20\n")
        pane.look()
        await until(pilot, lambda: shown(pane)[-1] == "20")
        pane.focus()
        await pilot.press("up")
        assert shown(pane)[-1] == "19"
        append(path, b"21\n")
        pane.look()
        await until(pilot, lambda: "16-20/22" in str(pane.border_subtitle))
        assert shown(pane)[-1] == "19"
        await pilot.press("end")
        append(path, b"22\n")
        pane.look()
        await until(pilot, lambda: shown(pane)[-1] == "22")


async def test_the_pane_keeps_to_the_end_when_its_size_changes(path):
    path.write_bytes(b"".join(b"%d\n" % number for number in range(20)))
    app = Stage(path)
    pane = app.log_pane
    async with app.run_test() as pilot:
        await until(pilot, lambda: shown(pane)[-1] == "19")
        for height in (3, 8, 2):
            pane.styles.height = height
            await until(pilot, lambda height=height: len(shown(pane)) == height and shown(pane)[-1] == "19")


async def test_nothing_new_repaints_nothing(path):
    path.write_bytes(b"one\n")
    app = Stage(path)
    pane = app.log_pane
    async with app.run_test() as pilot:
        await until(pilot, lambda: shown(pane)[0] == "one")
        drawn = []
        pane.show = drawn.append
        pane.look()
        await until(pilot, lambda: not pane._looking)
        assert drawn == []
