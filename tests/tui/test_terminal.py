"""What the process prints goes to the log; what is said goes to the user, as long as there is one."""

import os
import subprocess
import sys

import pytest

from cifar_tui.terminal import captured


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.txt"


PRINTING = """
import os, subprocess, sys
from pathlib import Path
from cifar_tui.terminal import captured

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
    descriptors = len(os.listdir("/proc/self/fd"))
    with captured(log):
        pass
    print("hello")
    os.write(2, b"world\n")
    assert capfd.readouterr() == ("hello\n", "world\n")
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_log_is_continued(log):
    log.write_text("before\n")
    with captured(log) as (out, _):
        out.keep("after\n")
    assert log.read_text() == "before\nafter\n"


def test_an_outlet_whose_reader_has_left_falls_silent(log):
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
