"""What the process prints goes to the log; what is said goes to the user, as long as there is one."""

import io
import os
import subprocess
import sys
import threading

import psutil
import pytest

from cifar_experiments.runs import RunFolderError
from cifar_tui.terminal import captured, is_interactive


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.txt"


PRINTING = """
import os, subprocess, sys
from pathlib import Path
from cifar_tui.terminal import captured, is_interactive

with captured(Path(sys.argv[1])) as (out, err):
    print("from Python")
    print("an error", file=sys.stderr)
    os.write(1, b"from a native library\\n")
    subprocess.run(["echo", "from a child"], check=True)
    out.write("to the user")
"""


def test_whatever_prints_goes_to_the_log_and_nowhere_else(log):
    done = subprocess.run([sys.executable, "-c", PRINTING, str(log)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("to the user", "")
    assert set(log.read_text().splitlines()) == {
        "from Python",
        "an error",
        "from a native library",
        "from a child",
    }


def test_what_is_written_reaches_the_user_and_what_is_said_the_log_too(log, capfd):
    with captured(log) as (out, err):
        out.write("a bar\n")
        out.say("a sentence")
        err.say("a warning")
    assert capfd.readouterr() == ("a bar\na sentence\n", "a warning\n")
    assert log.read_text() == "a sentence\na warning\n"


def test_afterwards_everything_is_as_before(log, capfd):
    descriptors, threads = psutil.Process().num_fds(), threading.active_count()
    with captured(log) as (out, err):
        out.write("bar\n")
        err.write("words\n")
    print("hello")
    os.write(2, b"world\n")
    assert capfd.readouterr() == ("bar\nhello\n", "words\nworld\n")
    assert (psutil.Process().num_fds(), threading.active_count()) == (descriptors, threads)


def test_a_log_is_continued(log):
    log.write_text("before\n")
    with captured(log) as (out, _):
        out.keep("after\n")
    assert log.read_text() == "before\nafter\n"


def test_one_whose_reader_has_left_is_still_kept_in_the_log(log):
    near, far = os.pipe()
    kept = os.dup(1)
    os.dup2(far, 1)
    os.close(far)
    try:
        with captured(log) as (out, _):
            os.close(near)
            out.say("first")
            out.say("second")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert log.read_text() == "first\nsecond\n"


def test_it_is_left_only_when_a_slow_reader_has_everything_whatever_it_is_left_by(log):
    leaving = "with captured(Path(sys.argv[1])) as (out, err):\n    out.write('x' * 300_000)\n    raise SystemExit(3)"
    program = f"import sys\nfrom pathlib import Path\nfrom cifar_tui.terminal import captured\n{leaving}"
    done = subprocess.run([sys.executable, "-c", program, str(log)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("x" * 300_000, "", 3)


def test_a_log_that_cannot_be_opened_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match=r"log\.txt: cannot be written"), captured(tmp_path / "none" / "log.txt"):
        pass


@pytest.fixture
def streams(monkeypatch):
    """Have the process's own streams be terminals or not; None for one that is closed."""

    def have(**terminals):
        for name, is_terminal in terminals.items():
            stream = None if is_terminal is None else io.StringIO()
            if stream is not None:
                stream.isatty = lambda is_terminal=is_terminal: is_terminal
            monkeypatch.setattr(sys, f"__{name}__", stream)

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    have(stdin=True, stdout=True)
    return have


@pytest.mark.usefixtures("streams")
def test_a_terminal_to_read_from_and_to_write_to_is_for_screens():
    assert is_interactive()


@pytest.mark.parametrize("name", ["stdin", "stdout"])
@pytest.mark.parametrize("is_terminal", [False, None])
def test_a_pipe_or_a_closed_stream_is_not(name, is_terminal, streams):
    streams(**{name: is_terminal})
    assert not is_interactive()


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize(("name", "value"), [("TERM", None), ("TERM", ""), ("TERM", "dumb"), ("CI", "true")])
def test_a_terminal_that_can_nothing_or_has_no_person_before_it_is_not(name, value, monkeypatch):
    monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    assert not is_interactive()
