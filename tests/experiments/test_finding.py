"""A run is found by what its user calls it, and by nothing that could mean another one."""

from __future__ import annotations

import errno
import json
import os
import shlex
from pathlib import Path

import pytest

from cifar_core.config import Config
from cifar_core.errors import ConfigError
from cifar_experiments import presets, runs
from cifar_experiments.runs import Run, RunFolderError, called, find, in_folder

FIRST, SECOND, THIRD = "20261120-000000-mine-aaaa", "20261121-000000-mine-bbbb", "20261121-000000-other-cccc"


@pytest.fixture
def folder(tmp_path):
    """A folder with three runs."""
    return kept(tmp_path / "runs", FIRST, SECOND, THIRD)


def kept(folder, *names):
    """Put what looks like runs into a folder; return it."""
    for name in names:
        path = folder / name
        path.mkdir(parents=True)
        (path / "config.toml").touch()
        (path / "summary.json").touch()
    return folder


def refused(name, runs_dir=None):
    """The sentence that says why a name means no run."""
    with pytest.raises(ConfigError) as told:
        find(name, runs_dir)
    assert str(told.value).isprintable()
    return str(told.value)


# By name


def test_a_run_is_found_by_its_id(folder):
    assert find(SECOND, folder) == Run(folder / SECOND)


@pytest.mark.parametrize("length", [8, 12, len(FIRST) - 1])
def test_a_run_is_found_by_the_beginning_of_its_id_that_no_other_has(folder, length):
    assert find(FIRST[:length], folder) == Run(folder / FIRST)


def test_the_beginning_of_several_ids_means_none_of_them(folder):
    both = f"{SECOND}, {THIRD}"
    assert refused("20261121", folder) == f"20261121: 2 runs in {folder} begin with that: {both}"


def test_of_many_ids_with_one_beginning_a_few_are_told(tmp_path):
    names = [f"run-{number}" for number in range(9)]
    told = refused("run", kept(tmp_path, *names))
    assert told == f"run: 9 runs in {tmp_path} begin with that: {', '.join(names[:5])}, ..."


def test_an_id_that_is_the_beginning_of_another_one_is_found(tmp_path):
    assert find("run", kept(tmp_path, "run", "run-2")) == Run(tmp_path / "run")


def test_the_last_run_is_the_newest(folder):
    assert find("last", folder) == Run(folder / THIRD)
    kept(folder, "20261122-000000-mine-0000")
    assert find("last", folder).id == "20261122-000000-mine-0000"


@pytest.mark.parametrize("name", ["2027", FIRST.upper(), f"{FIRST}x", "mine", "*", "~", "~root", "\n"])
def test_what_no_run_is_called_is_told_with_where_it_was_looked_for(folder, name):
    written = name.replace("\n", r"\n")
    told = f"{written}: no run in {folder} is called that; cifar-tui runs list shows what there is"
    assert refused(name, folder) == told


@pytest.mark.parametrize("name", ["last", "", "20"])
def test_where_there_are_no_runs_no_name_means_one(tmp_path, name):
    assert refused(name, tmp_path).startswith(f"{name}: no run in {tmp_path} is called that; ")


def test_no_name_at_all_means_none_of_several_runs(folder):
    refused("", folder)


def test_no_name_at_all_does_not_mean_the_only_run(tmp_path):
    kept(tmp_path, FIRST)
    refused("", tmp_path)


def test_a_name_cannot_steer_the_terminal(folder):
    assert refused("\x1b[2J\x07", folder).startswith(r"\x1b[2J\x07: no run in ")
    assert refused("\x1b]0;/\udcff", folder).startswith(r"\x1b]0;/\udcff: is no folder of a run ")


def test_ids_and_folders_that_could_steer_the_terminal_are_told_harmlessly(tmp_path):
    folder = kept(tmp_path / "\x1b[2J", "\x1ba", "\x1bb")
    assert r"/\x1b[2J begin with that: \x1ba, \x1bb" in refused("\x1b", folder)


def test_without_a_folder_runs_are_found_where_they_are_kept(monkeypatch, folder):
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(folder))
    assert find("last") == find(THIRD) == Run(folder / THIRD)


# By path


def test_a_run_is_found_by_its_folder_wherever_that_is(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    for name in (str(folder / FIRST), f"./{FIRST}", f"{FIRST}/", f"{FIRST}/."):
        assert find(name, tmp_path / "elsewhere") == Run(folder / FIRST)


def test_a_run_is_found_by_a_path_that_leads_up_first(folder, monkeypatch):
    monkeypatch.chdir(folder / FIRST)
    found = find(f"../{SECOND}")
    assert found.id == SECOND
    assert found.path.is_absolute()
    assert found.path.samefile(folder / SECOND)


def test_the_current_folder_is_a_run_where_it_is_one(folder, monkeypatch):
    monkeypatch.chdir(folder / FIRST)
    assert find(".") == find("./") == Run(folder / FIRST)


@pytest.mark.parametrize("name", ["..", "../", "../.", "../checkpoints/.."])
def test_the_folder_above_is_a_run_where_it_is_one(folder, monkeypatch, name):
    checkpoints = Run(folder / FIRST).checkpoints
    checkpoints.mkdir()
    monkeypatch.chdir(checkpoints)
    assert find(name).id == FIRST


@pytest.mark.parametrize("name", [".", "..", "./", "../x", "../runs", "/", "/dev/null", "/dev/null/x", "a/b", "a\0/b"])
def test_a_path_that_leads_to_no_run_is_told(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    written = name.replace("\0", r"\x00")
    assert refused(name) == f"{written}: is no folder of a run (one holds config.toml and summary.json)"


def test_a_path_that_cannot_be_looked_at_is_told():
    assert "x/y" in refused(f"{'x' * 300}/y")


# What a folder keeps


def test_the_runs_of_a_folder_come_in_the_order_of_their_times(tmp_path):
    names = [THIRD, FIRST, SECOND]
    assert [run.id for run in in_folder(kept(tmp_path, *names))] == [FIRST, SECOND, THIRD]


def test_what_is_no_run_is_left_out(folder):
    kept(folder, ".removed-00000000-run", ".hidden")
    (folder / "file").touch()
    (folder / "empty").mkdir()
    (folder / "nowhere").symlink_to(folder / "missing")
    for name, file in (("half", "config.toml"), ("other-half", "summary.json")):
        (folder / name).mkdir()
        (folder / name / file).touch()
    (folder / "folders" / "config.toml").mkdir(parents=True)
    (folder / "folders" / "summary.json").mkdir()
    assert [run.id for run in in_folder(folder)] == [FIRST, SECOND, THIRD]


def test_a_folder_that_is_missing_keeps_no_runs(tmp_path):
    assert in_folder(tmp_path / "missing") == []
    assert in_folder() == []


def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "\x1b").touch()
    with pytest.raises(RunFolderError) as told:
        in_folder(tmp_path / "\x1b")
    assert str(told.value) == rf"{tmp_path}/\x1b: cannot be read: Not a directory"


def test_a_foreign_folder_that_cannot_be_looked_into_hides_no_run(folder, monkeypatch):
    real = Path.stat

    def stat(path, **options):
        if path.parent.name == "lost+found":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, **options)

    (folder / "lost+found").mkdir()
    monkeypatch.setattr(Path, "stat", stat)
    assert [run.id for run in in_folder(folder)] == [FIRST, SECOND, THIRD]


# What a run is called


def test_a_run_where_runs_are_kept_is_called_by_its_id(folder, monkeypatch):
    monkeypatch.setenv("CIFAR_TUI_RUNS", str(folder))
    assert called(Run(folder / FIRST)) == FIRST
    assert find(called(Run(folder / FIRST))) == Run(folder / FIRST)


@pytest.mark.parametrize("where", ["elsewhere", "some where", "it's", "$HOME"])
def test_a_run_elsewhere_is_called_by_its_path_as_a_shell_reads_it(tmp_path, where):
    run = Run(kept(tmp_path / where, FIRST) / FIRST)
    [word] = shlex.split(called(run))
    assert word == str(run.path)
    assert find(word) == run


# What a run came from


def test_a_run_that_goes_on_from_another_one_names_it(tmp_path):
    parent = runs.create(Config(name="mine"), tmp_path / "runs", command=["x"])
    run = runs.create(Config(name="mine"), tmp_path / "others", command=["x", "--resume", "last"], parent=parent)
    assert runs.read_summary(run.summary).parent == json.loads(run.summary.read_bytes())["parent"] == str(parent.path)
    comments = [line for line in run.toml.read_text().splitlines() if line.startswith("#")]
    assert comments[2:] == ["# started by: x --resume last", f"# goes on from the last checkpoint of {parent.path}"]
    assert presets.compose(str(run.toml)).config == Config(name="mine")


def test_a_run_that_begins_by_itself_names_no_other(tmp_path):
    run = runs.create(Config(name="mine"), tmp_path, command=["x"])
    assert runs.read_summary(run.summary).parent is None
    assert "goes on from" not in run.toml.read_text()


def test_the_name_of_another_run_cannot_steer_the_terminal_nor_end_its_comment(tmp_path):
    parent = runs.create(Config(name="mine"), tmp_path / "a\nname = 1\x1b", command=["x"])
    run = runs.create(Config(name="mine"), tmp_path / "others", command=["x"], parent=parent)
    assert rf"/a\nname = 1\x1b/{parent.id}" in run.toml.read_text()
    assert presets.compose(str(run.toml)).config == Config(name="mine")
    assert runs.read_summary(run.summary).parent == str(parent.path)
