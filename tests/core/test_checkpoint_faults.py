"""Whatever fails or dies while a checkpoint is saved, one that is whole can be loaded, and no rubbish piles up.

Each test makes the first system call of a save fail, then the second, and so on until a save gets through.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_nothing_superfluous, content, manifest, same

from cifar_core import durable
from cifar_core.checkpoint import CheckpointError, load, load_best, save

CALLS = ("open", "write", "fsync", "replace", "close", "unlink", "listdir", "fstat")


@pytest.fixture
def folder(tmp_path):
    """Holds the checkpoints of steps 10 (previous, best) and 20 (last)."""
    folder = tmp_path / "checkpoints"
    save(folder, content(10), step=10, best=True)
    save(folder, content(20), step=20)
    return folder


@dataclass
class Interposer:
    """Stands before the system calls of a save; calls ``before`` with the number, name and arguments of each."""

    before: Callable[[int, str, tuple[Any, ...]], None]
    done: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    count: int = 0

    @contextlib.contextmanager
    def installed(self):
        with pytest.MonkeyPatch.context() as patched:
            for name in CALLS:
                patched.setattr(os, name, functools.partial(self._call, name, getattr(os, name)))
            yield self

    def _call(self, name, real, *arguments, **options):
        self.count += 1
        try:
            self.before(self.count, name, arguments)
        except OSError:
            if name == "close":  # frees the descriptor even when it fails
                real(*arguments)
            raise
        result = real(*arguments, **options)
        self.done.append((name, arguments))
        return result

    def committed(self):
        return any(name == "replace" and arguments[1] == "last.json" for name, arguments in self.done)


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full disk", "broken disk"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("best", [False, True], ids=["last", "last and best"])
def test_any_failing_call_leaves_a_checkpoint_and_the_next_save_works(folder, code, lasting, best):
    pristine = folder.with_name("pristine")
    folder.rename(pristine)
    failed = 0
    for nth in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pristine, folder)

        def fail(number, _name, _arguments, nth=nth):
            if number == nth or (lasting and number > nth):
                raise OSError(code, os.strerror(code))

        descriptors = open_descriptors()
        with Interposer(fail).installed() as calls:
            try:
                save(folder, content(30), step=30, best=best)
                error = None
            except CheckpointError as caught:
                error = str(caught)
        assert open_descriptors() == descriptors
        loaded = load(folder)
        assert loaded.fell_back is None
        assert same(loaded.state, content(30 if calls.committed() else 20))
        assert same(load_best(folder).state, content(load_best(folder).step))
        if error is None:
            assert loaded.step == 30
        else:
            failed += 1
            assert error.startswith(f"the checkpoint of step 30 could not be saved in {folder}: {os.strerror(code)}; ")
            assert ("make room" in error) == (code == errno.ENOSPC)
        if error is not None and not lasting and not calls.committed() and not (best and load_best(folder).step == 30):
            assert_nothing_superfluous(folder)  # what the failed save had written is gone
        save(folder, content(40), step=40)
        assert same(load(folder).state, content(40))
        assert manifest(folder, "previous").step == loaded.step
        assert_nothing_superfluous(folder)
        if calls.count < nth:
            break
    assert failed > 30


def test_writes_that_stop_short_are_continued(folder, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    save(folder, content(30), step=30)
    assert load(folder).step == 30


def test_disk_that_fills_up_in_the_middle_of_a_write_leaves_nothing(folder, monkeypatch):
    real, room = os.write, 1500

    def filling(descriptor, data):
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(descriptor, data[:room])
        room -= written
        return written

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", filling)
        with pytest.raises(CheckpointError, match="No space left on device; make room there"):
            save(folder, content(30), step=30)
    assert load(folder).step == 20
    assert_nothing_superfluous(folder)


def test_nothing_more_is_written_after_a_failure(folder):
    """Though torch goes on writing."""
    for nth in range(1, 30):
        written = []

        def fail(_number, name, _arguments, nth=nth, written=written):
            if name == "write":
                written.append(name)
                if len(written) == nth:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))

        with Interposer(fail).installed(), pytest.raises(CheckpointError, match="Input/output error"):
            save(folder, content(30), step=30)
        assert len(written) == nth


def test_interrupt_in_the_middle_of_a_write_gets_through_and_leaves_nothing(folder):
    for nth in range(1, 60):

        def interrupt(number, name, _arguments, nth=nth):
            if number >= nth and name == "write":
                raise KeyboardInterrupt

        with Interposer(interrupt).installed(), pytest.raises(KeyboardInterrupt):
            save(folder, content(30), step=30)
    assert load(folder).step == 20
    assert_nothing_superfluous(folder)


def test_what_torch_cannot_save_is_no_fault_of_the_disk_and_leaves_nothing(folder, monkeypatch):
    def broken(_, file):
        file.write(memoryview(b"half"))
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(RuntimeError, match="CUDA error"):
        save(folder, content(30), step=30)
    assert_nothing_superfluous(folder)


def no_sync_of_folders(monkeypatch, code):
    real = os.fsync

    def failing(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)


def test_file_system_that_cannot_sync_a_folder_is_good_enough(folder, monkeypatch):
    no_sync_of_folders(monkeypatch, errno.EINVAL)
    save(folder, content(30), step=30)
    assert load(folder).step == 30


def test_file_system_that_fails_to_sync_a_folder_is_not(folder, monkeypatch):
    no_sync_of_folders(monkeypatch, errno.EIO)
    with pytest.raises(CheckpointError, match="Input/output error; check its disk"):
        save(folder, content(30), step=30)
    assert load(folder).step == 20


def test_unreadable_manifest_stops_the_save_rather_than_losing_what_it_names(folder):
    kept = folder / manifest(folder, "best").file

    def unreadable(_number, name, arguments):
        if arguments[0] == "best.json" and name == "open":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Interposer(unreadable).installed(), pytest.raises(CheckpointError, match="Input/output error"):
        save(folder, content(30), step=30)
    assert kept.exists()
    assert (load(folder).step, load_best(folder).step) == (20, 10)


def died_in_call(nth, work, tear):
    """Whether a child that does ``work`` dies, without any clean-up, at its ``nth`` call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads; the child only does the work
        child = os.fork()
    if child == 0:
        try:
            real = os.write

            def die(number, name, arguments):
                if number == nth:
                    if name == "write" and tear:
                        real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                    os._exit(9)

            with Interposer(die).installed():
                work()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 9}
    return code == 9


@pytest.mark.slow
@pytest.mark.parametrize("tear", [False, True], ids=["between calls", "within a write"])
def test_process_that_dies_at_any_call_leaves_a_checkpoint_and_no_pile_of_rubbish(folder, tear):
    """The same folder all along: a run that is killed in every save it makes."""
    newest, step = 20, 20
    for nth in itertools.count(1):
        step += 1
        died = died_in_call(nth, lambda step=step: save(folder, content(step), step=step, best=step % 2 == 0), tear)
        loaded = load(folder)
        assert loaded.fell_back is None
        assert loaded.step == step if not died else loaded.step in {newest, step}
        assert same(loaded.state, content(loaded.step))
        assert same(load_best(folder).state, content(load_best(folder).step))
        newest = loaded.step
        # last, previous, best and one that was not finished, and as many of them removed too late
        assert len(list(folder.glob("*.pt"))) <= 5
        assert len(list(folder.glob(".*.part"))) <= 1
        assert same(fallen_back(folder).state, content(fallen_back(folder).step))
        if not died:
            break
    assert nth > 60
    assert_nothing_superfluous(folder)


def fallen_back(folder):
    """What is loaded when the last checkpoint is lost."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    (copy / "last.json").unlink()
    return load(copy)


@pytest.mark.slow
def test_damaged_last_and_death_at_any_call_still_leave_a_checkpoint(folder):
    path = folder / manifest(folder, "last").file
    raw = bytearray(path.read_bytes())
    raw[300] ^= 1
    path.write_bytes(raw)
    pristine = folder.with_name("pristine")
    folder.rename(pristine)
    for nth in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pristine, folder)
        died = died_in_call(nth, lambda: save(folder, content(30), step=30), tear=False)
        loaded = load(folder)
        assert same(loaded.state, content(loaded.step))
        assert loaded.step in {10, 30}
        if not died:
            break


class Disk:
    """What a power failure may leave of a folder, from the log of the calls that changed it.

    File contents are there once the file was synced, and garbage before; names are there once the folder was
    synced, and before that any part of the changes since.
    """

    def __init__(self, folder):
        self.names = {path.name: path.name for path in folder.iterdir()}  # name -> file
        self.synced = {path.name: path.read_bytes() for path in folder.iterdir()}  # file -> content
        self.pending = []

    def after(self, event):
        match event:
            case ("sync", file, content):
                self.synced[file] = content
            case ("sync folder",):
                self.names = self._applied(self.pending)
                self.pending = []
            case change:
                self.pending.append(change)

    def _applied(self, changes):
        names = dict(self.names)
        for kind, name, file in changes:
            if kind == "remove":
                names.pop(name, None)
            else:
                names[name] = file
        return names

    def survivors(self):
        for size in range(len(self.pending) + 1):
            for changes in itertools.combinations(self.pending, size):
                names = self._applied(changes)
                yield tuple(sorted((name, self.synced.get(file, b"\0" * 64)) for name, file in names.items()))


def recorded(folder, work):
    """The changes that ``work`` makes to the folder, and ("returned",) at the end."""
    events, files, opened, serial = [], {}, {}, itertools.count()
    real_open, real_unlink = os.open, os.unlink
    with Interposer(lambda *_: None).installed(), pytest.MonkeyPatch.context() as patched:

        def opening(name, flags, mode=0o777, *, dir_fd=None):
            descriptor = real_open(name, flags, mode, dir_fd=dir_fd)
            opened.pop(descriptor, None)
            if flags & os.O_CREAT:
                files[name] = opened[descriptor] = f"file {next(serial)}"
                events.append(("name", name, files[name]))
            return descriptor

        def syncing(descriptor):
            if descriptor in opened:
                written = Path(f"/proc/self/fd/{descriptor}").read_bytes()
                events.append(("sync", opened[descriptor], written))
            else:
                events.append(("sync folder",))

        def replacing(source, target, **_):
            (folder / source).rename(folder / target)
            events.append(("name", target, files[source]))
            events.append(("remove", source, ""))

        def removing(name, **options):
            real_unlink(name, **options)
            events.append(("remove", name, ""))

        for name, call in {"open": opening, "fsync": syncing, "replace": replacing, "unlink": removing}.items():
            patched.setattr(os, name, call)
        work()
    return [*events, ("returned",)]


def loaded_after_power_failures(disk, events, found):
    """What is loaded from each folder that a power failure may leave; with it, whether the save had returned."""
    seen = set()
    for event in [None, *events]:
        if event not in {None, ("returned",)}:
            disk.after(event)
        for survivor in disk.survivors():
            key = (survivor, event == ("returned",))
            if key in seen:
                continue
            seen.add(key)
            shutil.rmtree(found, ignore_errors=True)
            found.mkdir()
            for name, raw in survivor:
                (found / name).write_bytes(raw)
            loaded, best = load(found), load_best(found)
            assert same(loaded.state, content(loaded.step))
            assert same(best.state, content(best.step))
            yield loaded, key[1]
    assert len(seen) >= 15


@pytest.mark.parametrize("damaged", [False, True], ids=["after a good one", "after a damaged one"])
def test_power_failure_at_any_moment_leaves_a_checkpoint(folder, tmp_path, damaged):
    if damaged:
        (folder / manifest(folder, "last").file).write_bytes(b"junk")
    disk = Disk(folder)
    events = recorded(folder, lambda: save(folder, content(30), step=30, best=True))
    outcomes = set()
    for loaded, returned in loaded_after_power_failures(disk, events, tmp_path / "found"):
        assert loaded.fell_back is None or damaged
        outcomes.add((returned, loaded.step))
    assert outcomes == {(False, 10 if damaged else 20), (False, 30), (True, 30)}


def test_power_failure_after_a_save_that_died_before_its_commit_was_durable_leaves_a_checkpoint(folder, tmp_path):
    before = (folder / "last.json").read_bytes()
    for nth in itertools.count(1):
        assert died_in_call(nth, lambda: save(folder, content(30), step=30), tear=False)
        if manifest(folder, "last").step == 30:
            break
    disk = Disk(folder)
    disk.names["last.json"], disk.synced["as before"] = "as before", before
    disk.pending = [("name", "last.json", "last.json")]
    events = recorded(folder, lambda: save(folder, content(40), step=40))
    outcomes = set()
    for loaded, returned in loaded_after_power_failures(disk, events, tmp_path / "found"):
        assert loaded.fell_back is None
        outcomes.add((returned, loaded.step))
    assert outcomes == {(False, 20), (False, 30), (False, 40), (True, 40)}


def test_new_folder_is_itself_made_durable(tmp_path, monkeypatch):
    synced = []
    real = durable.sync

    def noting(directory):
        synced.append(Path(f"/proc/self/fd/{directory}").readlink())
        real(directory)

    monkeypatch.setattr(durable, "sync", noting)
    save(tmp_path / "run/checkpoints", content(10), step=10)
    assert synced[:2] == [tmp_path, tmp_path / "run"]
