"""The presenter suits where the output leads, and shows the whole training."""

import os
import re
import time

import pytest
from samples import evaluated, run_started

from cifar_core.events import Preparing, RunFinished, StepCompleted
from cifar_tui import presenters
from cifar_tui.outlet import Outlet

STARTED = run_started(train_images=40, epochs=1, steps_per_epoch=10, total_steps=10, classes=("größe",))
STEPS = [
    StepCompleted(time=100.0 + step, epoch=1, step=step, loss=2.0, accuracy=0.5, learning_rate=0.1)
    for step in range(1, 11)
]
EVALUATED = evaluated(step=10)
FINISHED = RunFinished(
    time=171.0,
    reason="completed",
    epoch=1,
    step=10,
    training_seconds=10.0,
    evaluation_seconds=60.0,
    data_seconds=0.0,
    paused_seconds=0.0,
)


class Sheet:
    """An outlet onto a file, to be read back."""

    def __init__(self, path):
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        self._log = os.open(path.with_suffix(".log"), os.O_RDWR | os.O_CREAT)
        self.out = Outlet(self._descriptor, "latin-1", self._log)

    def read(self):
        self.out.finish()
        return self._path.read_bytes()

    def kept(self):
        return self._path.with_suffix(".log").read_text()

    def close(self):
        self.out.close()
        os.close(self._descriptor)
        os.close(self._log)


@pytest.fixture
def sheet(tmp_path):
    opened = Sheet(tmp_path / "out")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("terminal", "environment", "kind"),
    [
        (True, {"TERM": "xterm"}, presenters.Bar),
        (True, {"TERM": "dumb"}, presenters.Lines),
        (True, {"TERM": "xterm", "CI": "true"}, presenters.Lines),
        (False, {"TERM": "xterm"}, presenters.Lines),
    ],
)
def test_the_presenter_suits_where_the_output_leads(terminal, environment, kind, sheet, monkeypatch):
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr(sheet.out, "isatty", lambda: terminal)
    assert isinstance(presenters.choose(sheet.out), kind)


def test_a_bar_ends_at_the_last_step_with_a_rate_that_knows_no_evaluation(sheet):
    presenter = presenters.Bar(sheet.out)
    for event in (STARTED, *STEPS, EVALUATED, FINISHED):
        presenter.show(event)
    presenter.close()
    drawn = sheet.read().decode("latin-1").split("\r")[-1]
    assert "100%" in drawn
    assert "10/10" in drawn
    assert "loss 2.000, acc 50 %, 4 img/s" in drawn


def test_a_bar_of_a_download_learns_its_total_and_starts_where_the_download_does(sheet):
    presenter = presenters.Bar(sheet.out)
    for done, total in [(50_000_000, None), (50_000_000, 100_000_000), (75_000_000, 100_000_000)]:
        presenter.show(Preparing(time=0.0, phase="download", subject="cifar.tar.gz", done=done, total=total, unit="B"))
    assert (presenter._bar.n, presenter._bar.total) == (75_000_000, 100_000_000)
    presenter.close()
    frames = re.findall(r"download cifar\.tar\.gz: *(\S+)", sheet.read().decode("latin-1"))
    assert frames[0].startswith("50.0M")


def test_the_log_keeps_the_lines_and_not_the_frames(sheet):
    presenter = presenters.Bar(sheet.out)
    for event in (STARTED, *STEPS, EVALUATED, FINISHED):
        presenter.show(event)
    presenter.close()
    when = time.strftime("%H:%M:%S", time.localtime(STARTED.time))
    assert sheet.kept() == f"{when} mine: lenet-notes (62,006 parameters) on cpu, 1 x 40 images\n"
