"""One process at a time works on a run, whatever became of the one before it."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types

import msgspec
import psutil
import pytest

from cifar_experiments import atomic
from cifar_experiments.runs import lock
from cifar_experiments.runs.folder import Run
from cifar_experiments.runs.lock import RunFolderError, RunLockedError, holder, locked

PREAMBLE = """
import os, sys, time
from pathlib import Path
from cifar_experiments.runs import lock
from cifar_experiments.runs.folder import Run
from cifar_experiments.runs.lock import RunLockedError, holder, locked
run = Run(Path(sys.argv[1]))
"""
HOLD = """
with locked(run):
    print("held", flush=True)
    sys.stdin.read()
"""
LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "a-run").mkdir()
    return Run(tmp_path / "a-run")


@pytest.fixture
def process(run):
    """Start a process that does what a script says with the run; it ends with the test at the latest."""
    started = []

    def start(script):
        command = [sys.executable, "-c", PREAMBLE + script, str(run.path)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(child)
        return child

    yield start
    for child in started:
        with child:
            child.kill()


@pytest.fixture
def working(process):
    """Another process that works on the run."""
    child = process(HOLD)
    assert child.stdout.readline() == "held\n"
    return child


def record(**changes):
    """Return the line of this process, which lives, with changes."""
    return msgspec.json.encode(dataclasses.replace(lock._this_process(), **changes)) + b"\n"


def snapshot(folder):
    """Return all that a folder and the files in it are, but for when they were read."""
    paths = [folder, *sorted(folder.iterdir())]
    about = [(path.name, path.lstat()) for path in paths]
    facts = [(name, of.st_ino, of.st_mode, of.st_size, of.st_mtime_ns, of.st_ctime_ns) for name, of in about]
    return facts, [path.read_bytes() for path in paths[1:]]


def eventually(true):
    """Wait until something is true, and fail when it never is."""
    for _ in range(2_000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it never came true")


def assert_free(run):
    assert holder(run) is None
    with locked(run) as mine:
        mine.check()
        assert holder(run).pid == os.getpid()
    assert run.lock.read_bytes() == b""


def assert_held(run):
    before = run.lock.read_bytes()
    with pytest.raises(RunLockedError), locked(run):
        pass
    assert run.lock.read_bytes() == before


def test_a_run_that_another_process_works_on_is_refused_in_a_sentence_that_names_it(run, working):
    with pytest.raises(RunLockedError) as refused, locked(run):
        pass
    assert re.fullmatch(
        rf"{re.escape(str(run.path))}: process {working.pid} on {re.escape(socket.gethostname())} has worked on it "
        rf"since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC; cifar-tui attach {re.escape(str(run.path))} follows it",
        str(refused.value),
    )
    assert refused.value.exit_code == 2


def test_who_works_on_a_run_can_be_asked(run, working):
    found = holder(run)
    assert (found.pid, found.host) == (working.pid, socket.gethostname())
    assert abs(time.time() - found.since) < 3_600


def test_a_run_is_free_once_its_process_has_ended(run, working):
    working.communicate()
    assert working.returncode == 0
    assert run.lock.read_bytes() == b""
    assert_free(run)


def test_a_run_is_free_at_once_when_its_process_was_killed(run, working):
    working.kill()
    working.wait()
    assert run.lock.read_bytes() != b""
    assert_free(run)


def test_a_killed_process_that_nobody_has_waited_for_works_on_nothing(run, working):
    working.kill()
    os.waitid(os.P_PID, working.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(working.pid).status() == psutil.STATUS_ZOMBIE
    assert_free(run)


def test_a_process_cannot_work_on_a_run_twice_at_once(run):
    with locked(run), pytest.raises(RunLockedError, match=f"process {os.getpid()} on "), locked(run):
        pass
    assert_free(run)


def test_one_process_works_on_two_runs(run, tmp_path):
    (tmp_path / "another").mkdir()
    with locked(run), locked(Run(tmp_path / "another")):
        assert holder(run).token != holder(Run(tmp_path / "another")).token


def test_a_run_is_free_again_after_an_error(run):
    with pytest.raises(ValueError, match="broken"), locked(run):
        raise ValueError("broken")
    assert_free(run)


def test_a_released_lock_leaves_the_same_file_empty(run):
    with locked(run):
        made = run.lock.stat().st_ino
    assert run.lock.read_bytes() == b""
    assert_free(run)
    assert run.lock.stat().st_ino == made


def test_a_later_process_with_the_pid_of_a_dead_one_works_on_nothing(run):
    run.lock.write_bytes(record())
    assert_held(run)
    assert holder(run).pid == os.getpid()
    run.lock.write_bytes(record(started=lock._this_process().started - 1))
    assert_free(run)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names the times between its starts")
def test_a_process_from_before_its_machine_was_started_again_works_on_nothing(run):
    run.lock.write_bytes(record(boot="another"))
    before = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - 1
    os.utime(run.lock, (before, before))
    assert_free(run)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names the times between its starts")
def test_another_machine_of_the_same_name_works_as_long_as_its_heart_beats(run):
    run.lock.write_bytes(record(boot="another"))
    assert holder(run) is not None
    assert_held(run)
    os.utime(run.lock, LONG_AGO)
    assert_free(run)


@pytest.mark.parametrize("where", ["host", "namespace"])
@pytest.mark.parametrize("other", [{}, {"pid": 2**31 - 1}, {"started": 1.0}, {"boot": "another"}])
def test_a_process_that_cannot_be_looked_at_works_as_long_as_its_heart_beats(run, where, other):
    run.lock.write_bytes(record(**{where: "elsewhere"}, **other))
    assert holder(run) is not None
    assert_held(run)
    a_while_ago = time.time() - lock.STALE_SECONDS / 2
    os.utime(run.lock, (a_while_ago, a_while_ago))
    assert holder(run) is not None
    assert_held(run)
    os.utime(run.lock, LONG_AGO)
    assert_free(run)
    assert os.listdir(run.path) == ["lock"]


def test_a_process_that_can_be_looked_at_needs_no_heartbeat(run, working):
    os.utime(run.lock, LONG_AGO)
    assert holder(run).pid == working.pid
    assert_held(run)


@pytest.mark.parametrize("ahead", [-86_400, 86_400])
def test_whether_a_heart_beats_is_told_by_the_clock_of_the_file_system_alone(run, monkeypatch, ahead):
    monkeypatch.setattr(lock, "time", types.SimpleNamespace(**vars(time) | {"time": lambda: time.time() + ahead}))
    run.lock.write_bytes(record(host="elsewhere"))
    assert_held(run)
    too_long_ago = run.lock.stat().st_mtime - 1.5 * lock.STALE_SECONDS
    os.utime(run.lock, (too_long_ago, too_long_ago))
    with locked(run):
        pass


def test_a_heart_beats_while_a_process_works(run, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with locked(run) as mine:
        for _ in range(3):
            os.utime(run.lock, LONG_AGO)
            eventually(lambda: run.lock.stat().st_mtime > time.time() - 3_600)
            mine.check()


WHOLE = record()
NOBODY = {
    "nothing": b"",
    "an empty line": b"\n",
    "garbage": b"garbage\n",
    "a line without its end": WHOLE[:-1],
    "half a line": WHOLE[: len(WHOLE) // 2],
    "half a line that ends": WHOLE[: len(WHOLE) // 2] + b"\n",
    "a second line": b"\n" + WHOLE,
    "zeros": b"\0" * len(WHOLE),
    "all bytes": bytes(range(256)),
    "no UTF-8": b"\xff\xfe\n",
    "no UTF-8 in a name": b'{"host":"\xff' + WHOLE[9:],
    "much": b"x" * 10_000_000,
    "much in a line": record(host="x" * 10_000),
    "brackets": b"[" * 4_000 + b"\n",
    "brackets in brackets": b'{"deep":' + b"[" * 4_000 + b"\n",
    "null": b"null\n",
    "process 0": record(pid=0, host="elsewhere"),
    "process -1": record(pid=-1, host="elsewhere"),
    "process 2^63": record(pid=2**63, host="elsewhere"),
    "a process that is not": record(pid=2**31 - 1),
    "a time before all": record(since=-1.0),
    "a time after all": record(since=1e300),
    "a start after all": record(started=1e300),
}


@pytest.mark.parametrize("content", NOBODY.values(), ids=NOBODY)
def test_a_lock_that_names_nobody_who_lives_is_taken(run, content):
    run.lock.write_bytes(content)
    assert_free(run)


def test_a_line_that_replaced_a_longer_one_counts_though_its_writer_died_before_it_cut_the_rest(run):
    run.lock.write_bytes(record(pid=os.getppid(), started=lock._started(os.getppid())) + b"the rest of a longer line\n")
    assert holder(run).pid == os.getppid()
    assert_held(run)


def test_a_name_from_elsewhere_cannot_steer_the_terminal(run):
    run.lock.write_bytes(record(host="\x1b[2J\nelsewhere"))
    with pytest.raises(RunLockedError, match=r"on \\x1b\[2J\\nelsewhere has") as refused, locked(run):
        pass
    assert str(refused.value).isprintable()


def assert_unlockable(run, why):
    assert holder(run) is None
    with pytest.raises(RunFolderError) as told, locked(run):
        pytest.fail("it was locked")
    assert type(told.value) is RunFolderError
    what = f"the run cannot be locked: {why}; let this be a plain file that can be written"
    assert str(told.value) == f"{run.lock}: {what}"


def test_a_link_is_not_followed(run, tmp_path):
    target = tmp_path / "target"
    run.lock.symlink_to(target)
    assert_unlockable(run, os.strerror(errno.ELOOP))
    assert not target.exists()
    target.write_bytes(WHOLE)
    assert_unlockable(run, os.strerror(errno.ELOOP))
    assert target.read_bytes() == WHOLE
    assert run.lock.is_symlink()


def test_a_folder_in_place_of_the_lock_is_told(run):
    run.lock.mkdir()
    assert_unlockable(run, "Is a directory")
    assert run.lock.is_dir()


def test_a_pipe_in_place_of_the_lock_is_told_and_not_waited_for(run):
    os.mkfifo(run.lock)
    assert_unlockable(run, "Is not a regular file")
    assert run.lock.is_fifo()


def test_a_folder_that_is_gone_is_told(run):
    run.path.rmdir()
    assert_unlockable(run, "No such file or directory")


def test_a_folder_that_cannot_be_written_is_told(run):
    run.path.chmod(0o500)
    try:
        if os.access(run.path, os.W_OK):
            pytest.skip("this user may write anywhere")
        assert_unlockable(run, "Permission denied")
    finally:
        run.path.chmod(0o700)


def test_a_run_is_free_again_when_no_thread_can_be_started(run, monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(lock.threading.Thread, "start", start)
    with pytest.raises(RuntimeError), locked(run):
        pytest.fail("it went on")
    monkeypatch.undo()
    assert_free(run)


@pytest.mark.parametrize("call", ["open", "fstat", "pread", "pwrite", "ftruncate"])
def test_a_lock_that_the_file_system_fails_on_is_told_and_leaves_nothing_open(run, monkeypatch, call):
    def fail(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    descriptors, threads = psutil.Process().num_fds(), threading.enumerate()
    monkeypatch.setattr(lock.os, call, fail)
    assert_unlockable(run, "Input/output error")
    monkeypatch.undo()
    assert (psutil.Process().num_fds(), threading.enumerate()) == (descriptors, threads)


def test_a_lock_on_a_full_disk_is_told(run, process):
    child = process("""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
try:
    with locked(run):
        pass
except lock.RunFolderError as error:
    print(error)
""")
    assert "the run cannot be locked: File too large; let this be a plain file" in child.communicate()[0]
    assert_free(run)


RACE = """
import random, threading
inside, both = run.path / "inside", []

def work():
    taken = 0
    while taken < 12 and not both:
        try:
            with locked(run):
                taken += 1
                try:
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    both.append(taken)
                    return
                time.sleep(random.random() / 1_000)
                inside.unlink()
                if taken % 2:  # as if it had died: what it leaves names a process that lives no more
                    line = run.lock.read_bytes().replace(b'"started":', b'"started":-')
                    run.lock.open("r+b", buffering=0).write(line)
        except RunLockedError:
            pass

threads = [threading.Thread(target=work) for _ in range(2)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("both" if both else "each alone")
"""


def test_however_many_race_for_a_run_no_two_ever_have_it(process):
    racers = [process(RACE) for _ in range(8)]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 8
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    assert [racer.communicate()[0] for racer in racers] == ["each alone\n"] * 8


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_locks_is_no_hindrance(run, working, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    assert_held(run)
    working.kill()
    working.wait()
    assert_free(run)


def test_a_file_system_whose_locks_fail_is_told(run, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    assert_unlockable(run, "Input/output error")


def test_a_process_that_is_long_about_taking_a_run_is_not_waited_for_for_ever(run, monkeypatch):
    monkeypatch.setattr(lock, "TURN_SECONDS", 0.05)
    with run.lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        told = "a-run: another process is taking it right now; try again in a moment"
        with pytest.raises(RunLockedError, match=told), locked(run):
            pass
    assert_free(run)


def test_a_process_that_is_a_moment_about_taking_a_run_is_waited_for(run):
    with run.lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        soon = threading.Timer(0.1, fcntl.flock, (file, fcntl.LOCK_UN))
        soon.start()
        assert_free(run)
        soon.join()


def test_a_child_forked_while_the_lock_is_taken_does_not_keep_it(process):
    child = process("""
lock.TURN_SECONDS = 0.05
with lock._opened(run, os.O_RDWR | os.O_CREAT) as descriptor, lock._turn(run, descriptor):
    child = os.fork()
    if not child:
        time.sleep(600)
try:
    with locked(run):
        print("taken")
finally:
    os.kill(child, 9)
""")
    assert child.communicate()[0] == "taken\n"


def test_a_forked_child_that_leaves_does_not_release_what_its_parent_holds(run, process):
    child = process("""
with locked(run):
    child = os.fork()
    if not child:
        sys.exit()
    status = os.waitpid(child, 0)[1]
    print(status, holder(run).pid == os.getpid())
""")
    assert child.communicate()[0] == "0 True\n"
    assert run.lock.read_bytes() == b""


TAKEN_OVER = {
    "process 4711 on elsewhere": record(host="elsewhere", pid=4711),
    "process 4711 on else\\nwhere": record(host="else\nwhere", pid=4711),
    "another process": b"",
}


@pytest.mark.parametrize("by", TAKEN_OVER)
def test_a_lock_that_was_taken_over_is_told_and_left_to_who_has_it(run, monkeypatch, by):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    others = set(threading.enumerate())
    with locked(run) as mine:
        mine.check()
        (heart,) = set(threading.enumerate()) - others
        atomic.replace_file(run.lock, TAKEN_OVER[by])
        eventually(lambda: not heart.is_alive())
        for _ in range(2):
            with pytest.raises(RunFolderError, match=f": {re.escape(by)} has taken the run over; cifar-tui attach "):
                mine.check()
    assert run.lock.read_bytes() == TAKEN_OVER[by]


def test_a_lock_that_was_taken_over_unnoticed_is_left_to_who_has_it(run):
    with locked(run) as mine:
        run.lock.write_bytes(record(host="elsewhere"))
        mine.check()
    assert holder(run).host == "elsewhere"


@pytest.mark.parametrize("gone", [shutil.rmtree, lambda path: path.rename(path.with_name("aside"))])
def test_a_folder_that_goes_away_meanwhile_is_neither_told_nor_made_again(run, monkeypatch, gone):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.001)
    with locked(run) as mine:
        gone(run.path)
        time.sleep(0.05)
        mine.check()
        assert holder(run) is None
    assert not run.path.exists()


def test_a_network_that_fails_for_a_moment_does_not_lose_the_lock(run, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    aside = run.path.with_name("aside")
    with locked(run) as mine:
        run.path.rename(aside)
        time.sleep(0.05)
        aside.rename(run.path)
        os.utime(run.lock, LONG_AGO)
        eventually(lambda: run.lock.stat().st_mtime > time.time() - 3_600)
        mine.check()
    assert run.lock.read_bytes() == b""


ASKED = {
    "missing": None,
    "released": b"",
    "torn": WHOLE[:-1],
    "held": WHOLE,
    "silent": record(host="elsewhere"),
    "stale": record(pid=2**31 - 1),
}


@pytest.mark.parametrize("content", ASKED.values(), ids=ASKED)
def test_asking_who_works_on_a_run_changes_nothing(run, content):
    (run.path / "summary.json").write_bytes(b"{}")
    if content is not None:
        run.lock.write_bytes(content)
        os.utime(run.lock, LONG_AGO)
    os.utime(run.path, LONG_AGO)
    before = snapshot(run.path)
    holder(run)
    assert snapshot(run.path) == before


def test_a_folder_that_is_gone_has_nobody_who_works_on_it(tmp_path):
    assert holder(Run(tmp_path / "gone")) is None


def test_a_heart_that_is_slow_to_stop_is_waited_for(run, monkeypatch):
    def beat(_run, _mine, _lock, ended):
        ended.wait()
        time.sleep(0.1)

    monkeypatch.setattr(lock, "_beat", beat)
    threads = threading.enumerate()
    with locked(run):
        assert len(threading.enumerate()) == len(threads) + 1
    assert threading.enumerate() == threads


def test_nothing_is_left_open_however_often_a_run_is_locked(run):
    threads, descriptors = threading.enumerate(), psutil.Process().num_fds()
    for _ in range(100):
        with locked(run), pytest.raises(RunLockedError), locked(run):
            pass
        run.lock.write_bytes(record(host="elsewhere"))
        os.utime(run.lock, LONG_AGO)
    assert threading.enumerate() == threads
    assert psutil.Process().num_fds() == descriptors
    assert os.listdir(run.path) == ["lock"]
