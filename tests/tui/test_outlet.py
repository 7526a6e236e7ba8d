"""Nobody waits for a reader, every reader gets whole calls in order, and an outlet without reader is silent."""

import errno
import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from samples import run_started

from cifar_core.events import StepCompleted
from cifar_tui import outlet, presenters
from cifar_tui.outlet import Outlet

PATIENCE = 60
PIPE = 1 << 16  # what a pipe holds that nobody reads
LEFT_OUT = re.compile(rb"\[\.\.\. ([\d,]+) bytes left out: [^\n]*\]\n")


def within_patience(action):
    """What ``action`` returns; fails the test when it does not return."""
    returned = []
    thread = threading.Thread(target=lambda: returned.append(action()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert returned, "does not return"
    return returned[0]


def until(condition):
    """Wait for ``condition``; fails the test when it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "outlet"]


class Way:
    """An outlet and the end that it is read from."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.out = Outlet(far, "utf-8", far)

    def read(self, size):
        """Read ``size`` bytes and no more."""

        def whole():
            read = b""
            while len(read) < size:
                read += os.read(self.near, size - len(read))
            return read

        return within_patience(whole)

    def read_to_the_end(self):
        """Let the writer finish; all that was still to be read."""
        parts = []
        reader = threading.Thread(target=lambda: parts.extend(iter(lambda: os.read(self.near, PIPE), b"")))
        reader.start()
        within_patience(self.out.close)
        os.close(self.far)
        self.far = None
        reader.join(PATIENCE)
        assert not reader.is_alive()
        return b"".join(parts)

    def leave(self):
        """Be a reader no longer."""
        os.close(self.near)
        self.near = None

    def clear_up(self):
        if self.near is not None:
            self.leave()
        within_patience(self.out.close)
        if self.far is not None:
            os.close(self.far)


@pytest.fixture
def pipe():
    way = Way(*os.pipe())
    yield way
    way.clear_up()


@pytest.fixture
def terminal():
    way = Way(*pty.openpty())
    yield way
    way.clear_up()


def numbered_lines(count):
    return [b"%07d %s\n" % (number, b"x" * 991) for number in range(count)]


def test_a_full_pipe_never_holds_up_its_writer_and_takes_no_more_memory_than_the_limit(pipe):
    lines = numbered_lines(8000)
    within_patience(lambda: [pipe.out.write_bytes(line) for line in lines])
    assert pipe.out.behind
    assert outlet.LIMIT <= len(pipe.read_to_the_end()) <= outlet.LIMIT + PIPE + 2000


def test_what_fits_arrives_whole_and_in_order_once_somebody_reads(pipe):
    lines = numbered_lines(1000)
    for line in lines:
        pipe.out.write_bytes(line)
    assert pipe.read_to_the_end() == b"".join(lines)
    assert not pipe.out.behind


def test_what_does_not_fit_is_owned_up_to_in_one_line_and_no_call_is_cut(pipe):
    lines = numbered_lines(3000)
    for line in lines[:2000]:
        pipe.out.write_bytes(line)
    read = pipe.read(outlet.LIMIT // 4 * 3)
    until(lambda: pipe.out._accepted - pipe.out._gone < outlet.LIMIT // 2)
    for line in lines[2000:2100]:
        pipe.out.write_bytes(line)
    read += pipe.read_to_the_end()
    before, left_out, after = LEFT_OUT.split(read)
    kept = before.splitlines(keepends=True)
    assert kept == lines[: len(kept)]
    assert after == b"".join(lines[2000:2100])
    assert int(left_out.replace(b",", b"")) == sum(map(len, lines[len(kept) : 2000]))


def test_a_reader_that_falls_behind_further_and_further_is_told_once_and_not_for_every_line(pipe):
    lines = numbered_lines(2000)
    for line in lines:
        pipe.out.write_bytes(line)
    read = b""
    for line in lines[:300]:
        read += pipe.read(len(line))
        pipe.out.write_bytes(line)
    read += pipe.read_to_the_end()
    assert len(LEFT_OUT.findall(read)) == 1


def test_what_is_left_out_last_is_owned_up_to_at_the_end(pipe):
    lines = numbered_lines(2000)
    for line in lines:
        pipe.out.write_bytes(line)
    before, left_out, after = LEFT_OUT.split(pipe.read_to_the_end())
    assert len(before) + int(left_out.replace(b",", b"")) == sum(map(len, lines))
    assert after == b""


def test_the_line_about_it_stands_by_itself_even_after_half_a_line(pipe):
    for _ in range(2000):
        pipe.out.write_bytes(b"x" * 1000)
    read = pipe.read_to_the_end()
    assert LEFT_OUT.fullmatch(read[read.index(b"\n") + 1 :])


def test_a_call_larger_than_the_limit_goes_out_when_nothing_waits(pipe):
    pipe.out.write_bytes(b"x" * 3 * outlet.LIMIT)
    assert len(pipe.read_to_the_end()) == 3 * outlet.LIMIT


def test_a_slow_reader_of_a_non_blocking_pipe_gets_every_byte(pipe):
    os.set_blocking(pipe.far, False)
    for _ in range(50):
        pipe.out.write_bytes(b"x" * 10_000)
    assert len(pipe.read_to_the_end()) == 500_000


def test_a_blocking_pipe_stays_blocking_for_all_who_share_it(pipe):
    for _ in range(50):
        pipe.out.write_bytes(b"x" * 10_000)
    assert pipe.out.behind
    assert os.get_blocking(pipe.far)


def test_several_threads_write_whole_calls_each_in_its_order(pipe):
    def write(name):
        for number in range(200):
            pipe.out.write(f"{name} {number} {'x' * 100}\n")

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    words = [line.split() for line in pipe.read_to_the_end().decode().splitlines()]
    for name in "abcd":
        assert [[first, *rest] for first, *rest in words if first == name] == [
            [name, str(number), "x" * 100] for number in range(200)
        ]


def test_no_thread_runs_before_something_is_written_and_none_after_the_close(pipe):
    before = len(threads())
    pipe.out.finish()
    assert len(threads()) == before
    pipe.out.write("words")
    assert len(threads()) == before + 1
    within_patience(pipe.out.close)
    assert len(threads()) == before
    pipe.out.write("more")
    assert len(threads()) == before
    assert pipe.read_to_the_end() == b"words"


def test_finishing_waits_for_a_slow_reader(pipe):
    pipe.out.write_bytes(b"x" * 300_000)
    finished = threading.Event()
    threading.Thread(target=lambda: (pipe.out.finish(), finished.set()), daemon=True).start()
    assert not finished.wait(0.5)
    pipe.read(200_000)
    assert not finished.wait(0.1)
    pipe.read(100_000)
    assert finished.wait(PATIENCE)


def test_after_finishing_it_goes_on(pipe):
    for words in (b"first", b"second"):
        pipe.out.write_bytes(words)
        within_patience(pipe.out.finish)
        assert pipe.read(len(words)) == words


@pytest.mark.parametrize("way", ["pipe", "terminal"])
def test_one_whose_reader_leaves_falls_silent_without_a_complaint(way, request):
    left = request.getfixturevalue(way)
    before = len(threads())
    left.out.write_bytes(b"x" * 300_000)
    left.read(1)
    assert left.out.behind
    left.leave()
    within_patience(left.out.finish)
    left.out.write("more")
    assert not left.out.behind
    assert not left.out.isatty()
    assert left.out.failure is None
    until(lambda: len(threads()) < before + 1)


def test_a_full_disk_is_remembered_and_the_log_goes_on(tmp_path):
    log = tmp_path / "log.txt"
    with Path("/dev/full").open("wb") as full, log.open("wb") as kept:
        out = Outlet(full.fileno(), "utf-8", kept.fileno())
        out.say("words")
        within_patience(out.finish)
        assert out.failure == os.strerror(errno.ENOSPC)
        out.say("more")
        within_patience(out.close)
    assert log.read_text() == "words\nmore\n"


def test_what_is_said_after_the_close_gets_into_no_file_that_has_its_numbers_by_then(tmp_path):
    with (tmp_path / "shown").open("wb") as shown, (tmp_path / "log.txt").open("wb") as log:
        out = Outlet(shown.fileno(), "utf-8", log.fileno())
        out.say("words")
        within_patience(out.close)
        out.say("more")
    assert (tmp_path / "shown").read_bytes() == (tmp_path / "log.txt").read_bytes() == b"words\n"


INTERRUPTED_WRITER = """
import os, signal, sys
from cifar_tui.outlet import Outlet

out = Outlet(1, "utf-8", os.open(os.devnull, os.O_WRONLY))
said = 0

def say(*_):
    global said
    out.say(f"handler {said}")
    said += 1
    signal.setitimer(signal.ITIMER_REAL, 0.0003)  # only now: a handler that is too slow must not pile up

signal.signal(signal.SIGALRM, say)
signal.setitimer(signal.ITIMER_REAL, 0.0003)
written = 0
while said < 300:
    out.write(f"loop {written}\\n")
    written += 1
    if out.behind and written % 100 == 0:
        out.finish()
signal.signal(signal.SIGALRM, signal.SIG_IGN)
out.close()
print(written, said, file=sys.stderr)
"""


def python(program, *arguments, **options):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})


def test_a_signal_handler_that_says_something_in_the_midst_of_a_write_loses_nothing_and_waits_for_nobody():
    with python(INTERRUPTED_WRITER) as process:
        try:
            read, figures = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    written, said = map(int, figures.split())
    lines = read.decode().splitlines()
    assert [line for line in lines if line.startswith("loop")] == [f"loop {number}" for number in range(written)]
    assert [line for line in lines if line.startswith("hand")] == [f"handler {number}" for number in range(said)]
    assert len(lines) == written + said


WAITING_AT_ITS_END = """
import os, signal, sys
from pathlib import Path
from cifar_tui.terminal import captured

calls = 0

def handle(*_):
    global calls
    calls += 1
    if calls == 3:
        os._exit(75)

signal.signal(signal.SIGALRM, handle)
with captured(Path(sys.argv[1])) as (out, err):
    out.write("x" * 300_000)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
"""


def test_signals_are_obeyed_while_the_end_of_a_command_waits_for_a_reader(tmp_path):
    with python(WAITING_AT_ITS_END, tmp_path / "log.txt") as process:
        try:
            assert process.wait(PATIENCE) == 75
            assert process.stderr.read() == b""
        finally:
            process.kill()


LEFT_BY_AN_EXCEPTION = """
import os, signal, sys
from pathlib import Path
from cifar_tui.terminal import captured

def give_up(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, give_up)
try:
    with captured(Path(sys.argv[1])) as (out, err):
        out.write("x" * 300_000)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
except KeyboardInterrupt:
    with open(sys.argv[2], "wb") as other:  # may get the numbers of the descriptors that were closed
        kept = [os.dup(other.fileno()) for _ in range(10)]
        print("left", file=sys.stderr, flush=True)
        out.finish()
"""


def test_an_interrupted_wait_puts_everything_back_and_what_waits_never_gets_into_another_file(tmp_path):
    other = tmp_path / "other"
    with python(LEFT_BY_AN_EXCEPTION, tmp_path / "log.txt", other) as process:
        try:
            assert process.stderr.readline() == b"left\n"
            read, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert read == b"x" * 300_000
    assert other.read_bytes() == b""
    assert process.returncode == 0


ENDING_WITHOUT_A_WORD = """
import os
from cifar_tui.outlet import Outlet

Outlet(1, "utf-8", 1).write("x" * 300_000)
"""


def test_a_process_can_end_while_something_still_waits():
    with python(ENDING_WITHOUT_A_WORD) as process:
        try:
            assert process.wait(PATIENCE) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()


def step(number):
    return StepCompleted(time=100.0 + number, epoch=1, step=number, loss=2.0, accuracy=0.5, learning_rate=0.1)


def test_a_bar_is_not_redrawn_while_nobody_reads_and_then_knows_all_steps_since(pipe, monkeypatch):
    monkeypatch.setattr(presenters, "REDRAW_SECONDS", 0)
    bar = presenters.Bar(pipe.out)
    bar.show(run_started())
    bar._bar.mininterval = 0  # tqdm has a limit of its own to how often it draws
    pipe.out.write_bytes(b"\n" + b"x" * PIPE)
    for number in range(1, 1001):
        bar.show(step(number))
    assert pipe.out.behind
    pipe.read(PIPE)
    until(lambda: not pipe.out.behind)
    bar.show(step(1001))
    bar.close()
    frames = pipe.read_to_the_end().decode().split("\r")
    assert len(frames) < 10
    assert "1001/25000" in frames[-1]
    assert "loss 2.000, acc 50 %, 4 img/s" in frames[-1]
