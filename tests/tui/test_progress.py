"""The lines about a run: what they say, what goes first where there is no room, and how errors are folded."""

import pytest
from rich.cells import cell_len
from samples import run_started

from cifar_core.events import Preparing, StepCompleted
from cifar_experiments.history import History
from cifar_tui.widgets.progress import Progress, progress_of, rows


def history(*events):
    history = History()
    for event in events:
        history.apply(event)
    return history


def step(number):
    return StepCompleted(time=100 + number / 10, epoch=1, step=number, loss=1.0, accuracy=0.5, learning_rate=0.001)


def texts(shown, width, most=9, plain=False):
    return ["".join(text for text, _ in row) for row in rows(shown, width, most, plain=plain)]


def running():
    started = run_started(total_steps=1000, steps_per_epoch=500)
    return progress_of(history(started, *map(step, range(1, 251))), "mine", "running", 0.004)


def test_a_run_tells_all_its_figures_where_there_is_room():
    head, bar = texts(running(), 140)
    figures = "step 250/1,000 · epoch 0.50/2 · 10.0 it/s · 40.0 img/s · ETA 1:15 · lr 0.001"
    assert head == f" mine · running · {figures}"
    assert bar.rstrip().endswith("25.0 % · screen cost  0.4 %")
    assert texts(running(), 50)[1].rstrip().endswith("25.0 %")


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("width", range(10, 130, 3))
def test_what_matters_least_goes_first_and_no_line_is_too_wide(width, plain):
    head, bar = texts(running(), width, plain=plain)
    assert cell_len(head) <= width
    assert cell_len(bar) <= max(width, 12)
    kept = [words in head for words in ("running", "step", "ETA", "it/s", "epoch", "lr", "img/s")]
    assert kept == sorted(kept, reverse=True)
    assert not plain or head.isascii()


def test_preparing_says_what_and_how_far():
    event = Preparing(time=1.0, phase="download", subject="cifar.tar.gz", done=43, total=100, unit="B")
    assert "download cifar.tar.gz 43 %" in texts(progress_of(history(event), "mine", "preparing", None), 80)[0]
    event = Preparing(time=1.0, phase="download", subject="x", done=43_000_000, unit="B")
    lines = texts(progress_of(history(event), "mine", "preparing", None), 80)
    assert "download x 43 MB" in lines[0]
    assert len(lines) == 1


def test_before_the_first_event_there_is_only_the_state():
    assert texts(progress_of(History(), "mine", "waiting", None), 80) == [" mine · waiting"]


def test_errors_are_folded_and_cut_to_the_room_there_is():
    shown = Progress("mine", "failed", error="word " * 60, notes=("a note",))
    whole = texts(shown, 40, 20)
    assert " ".join(" ".join(whole[1:]).split()) == "word " * 60 + "a note"
    cut = texts(shown, 40, 4)
    assert len(cut) == 4
    assert cut[-1].endswith("...")
    assert all(cell_len(line) <= 40 for line in whole + cut)


def test_foreign_text_steers_no_terminal():
    shown = Progress("\x1b[31m[bold]mine", "failed\x07", error="\x1b]0;x\x07 [red]no[/]", notes=("深" * 50,))
    for plain in (True, False):
        lines = texts(shown, 40, 20, plain=plain)
        assert not any("\x1b" in line or "\x07" in line for line in lines)
        assert "[red]no[/]" in "".join(lines)
        assert all(line.isascii() for line in lines) or not plain
