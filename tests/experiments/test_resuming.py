"""A run goes on as what it is, or as a new one where its configuration changes; nothing is begun in vain."""

from __future__ import annotations

import shutil

import pytest

from cifar_core.config import Config, Data, Training
from cifar_core.errors import ConfigError
from cifar_core.events import CheckpointSaved, CheckpointStarted, to_json
from cifar_experiments import runs
from cifar_experiments.runs.resuming import Start, reopen

COMMAND = ["cifar-tui", "--resume", "last"]
CONFIG = Config(name="mine", data=Data(kind="synthetic"), training=Training(epochs=3, seed=7))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def run(folder):
    """A run that has no checkpoint yet."""
    return runs.create(CONFIG, folder, command=["cifar-tui", "mine"])


@pytest.fixture
def saved(run):
    """The same run with a checkpoint."""
    return checkpointed(run)


def checkpointed(run):
    """Give a run all that is looked at of a checkpoint."""
    run.checkpoints.mkdir()
    (run.checkpoints / "last.json").touch()
    append(run, CheckpointStarted(time=1.0, epoch=1, step=4, number=1))
    append(run, CheckpointSaved(time=2.0, epoch=1, step=4, best=False, path="/there", bytes=1, seconds=0.1))
    return run


def append(run, event):
    with run.events.open("ab") as file:
        file.write(to_json(event) + b"\n")


def again(run, *overrides, folder=None, **changes):
    return reopen(str(run.path), folder, command=COMMAND, overrides=overrides, **changes)


def refused(error, run, *overrides, **changes):
    """The sentence that says why a run does not go on; no folder was made."""
    before = sorted(run.path.parent.rglob("*"))
    with pytest.raises(error) as told:
        again(run, *overrides, **changes)
    assert sorted(run.path.parent.rglob("*")) == before
    return str(told.value)


# The same run


def test_a_run_goes_on_with_its_own_configuration_from_its_own_checkpoints(saved):
    start = again(saved)
    assert start == Start(saved, CONFIG)
    assert start.checkpoints == saved.checkpoints
    assert start.resumed


def test_a_run_without_a_checkpoint_begins_again(run):
    start = again(run)
    assert start == Start(run, CONFIG)
    assert start.checkpoints is None
    assert not start.resumed


@pytest.mark.parametrize(
    "change",
    [
        {"overrides": ["training.epochs=3"]},
        {"overrides": ["training.seed=7", "data.kind=synthetic", "training.epochs=3"]},
        {"overrides": ["training.epochs=4", "training.epochs=3"]},
        {"overrides": ["schedule=constant"]},
        {"model": "lenet-notes"},
        {"augment": "none", "model": None},
    ],
)
def test_a_change_that_changes_nothing_makes_no_other_run(saved, folder, change):
    start = reopen(saved.id, folder, command=COMMAND, **change)
    assert start == Start(saved, CONFIG)
    assert start.checkpoints == saved.checkpoints
    assert runs.in_folder(folder) == [saved]


@pytest.mark.parametrize("name", ["last", "20"])
def test_a_run_is_opened_by_what_it_is_called(saved, folder, name):
    assert reopen(name, folder, command=COMMAND).run == saved
    with pytest.raises(ConfigError, match="no run in "):
        reopen("mine", folder, command=COMMAND)


def test_to_open_a_run_again_changes_nothing_in_it(saved):
    before = [(path, path.stat().st_mtime_ns) for path in sorted(saved.path.rglob("*"))]
    again(saved)
    again(saved, "training.epochs=9")
    assert [(path, path.stat().st_mtime_ns) for path in sorted(saved.path.rglob("*"))] == before


@pytest.mark.parametrize("gone", ["files", "folder"])
def test_a_run_whose_checkpoints_are_all_gone_is_not_begun_again(saved, gone):
    shutil.rmtree(saved.checkpoints)
    if gone == "files":
        saved.checkpoints.mkdir()
    start = again(saved)
    assert start == Start(saved, CONFIG)
    assert start.checkpoints == saved.checkpoints
    assert start.resumed


def test_a_run_whose_only_checkpoint_was_not_saved_begins_again(run):
    append(run, CheckpointStarted(time=1.0, epoch=1, step=4, number=1))
    run.checkpoints.mkdir()
    (run.checkpoints / "step-4.part").touch()
    assert again(run) == Start(run, CONFIG)
    assert again(run).checkpoints is None


@pytest.mark.parametrize("name", ["last.json", "previous.json", "best.json"])
def test_a_run_goes_on_from_its_checkpoints_though_its_record_says_nothing_of_them(run, name):
    run.checkpoints.mkdir()
    (run.checkpoints / name).touch()
    run.events.unlink()
    assert again(run) == Start(run, CONFIG)
    assert again(run).checkpoints == run.checkpoints


# A new run


def test_a_run_with_a_change_goes_on_as_a_new_one_beside_it_that_names_it(saved, folder):
    start = again(saved, "training.epochs=9")
    changed = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"epochs": 9})})
    assert (start.config, start.checkpoints, start.resumed) == (changed, saved.checkpoints, False)
    assert runs.in_folder(folder) == sorted([saved, start.run], key=lambda run: run.id)
    told = runs.read_summary(start.run.summary)
    assert (told.parent, told.state, told.total_epochs) == (str(saved.path), "created", 9)
    assert "# started by: cifar-tui --resume last\n" in start.run.toml.read_text()


def test_the_new_run_is_made_where_that_is_asked_for(saved, tmp_path):
    start = again(saved, "training.epochs=9", folder=tmp_path / "others")
    assert start.run.path.parent == tmp_path / "others"
    assert start.checkpoints == saved.checkpoints


@pytest.mark.parametrize("change", [{"augment": "crop-flip"}, {"optimizer": "adamw"}])
def test_a_run_with_another_preset_goes_on_as_a_new_one(saved, change):
    start = again(saved, **change)
    assert start.run != saved
    assert start.config != CONFIG
    assert again(start.run).config == start.config


def test_each_change_of_a_run_makes_a_run_of_its_own(saved, folder):
    again(saved, "training.epochs=9")
    again(saved, "training.epochs=9")
    assert len(runs.in_folder(folder)) == 3


def test_a_new_run_without_a_checkpoint_of_its_own_goes_on_from_its_parents(saved):
    fork = again(saved, "training.epochs=9")
    assert again(fork.run) == fork
    assert not fork.resumed


def test_a_new_run_with_a_checkpoint_of_its_own_goes_on_from_that(saved):
    fork = again(saved, "training.epochs=9")
    checkpointed(fork.run)
    start = again(fork.run)
    assert start == Start(fork.run, fork.config)
    assert start.checkpoints == fork.run.checkpoints
    assert start.resumed


def test_a_new_run_with_a_checkpoint_of_its_own_is_a_parent_itself(saved):
    fork = again(saved, "training.epochs=9")
    checkpointed(fork.run)
    grandchild = again(fork.run, "training.epochs=10")
    assert grandchild.checkpoints == fork.run.checkpoints
    assert runs.read_summary(grandchild.run.summary).parent == str(fork.run.path)


# What is refused


def test_a_change_to_a_run_without_a_checkpoint_is_refused_with_the_way_around(run):
    told = refused(ConfigError, run, "training.epochs=9")
    assert told == (
        f"{run.id} has no checkpoint yet that another configuration could go on from; "
        f"cifar-tui {run.toml} KEY=VALUE begins anew with it"
    )


def test_a_change_to_a_new_run_without_a_checkpoint_of_its_own_is_refused(saved):
    fork = again(saved, "training.epochs=9")
    assert "has no checkpoint yet" in refused(ConfigError, fork.run, "training.epochs=10")


def test_the_place_of_a_run_cannot_steer_the_terminal(tmp_path):
    run = runs.create(CONFIG, tmp_path / "\x1b[2J", command=["x"])
    assert refused(ConfigError, run, "training.epochs=9").isprintable()


def test_the_way_around_can_be_copied_into_a_shell(tmp_path):
    run = runs.create(CONFIG, tmp_path / "some where", command=["x"])
    assert f"cifar-tui '{run.toml}' KEY=VALUE" in refused(ConfigError, run, "training.epochs=9")


@pytest.mark.parametrize(
    ("overrides", "faults"),
    [
        (["training.epoch=9"], ["training.epoch"]),
        (["training.epochs=-1"], ["training.epochs"]),
        (["training.epochs=nine", "optimizer.rate=1"], ["training.epochs", "optimizer.rate"]),
        (["nonsense"], ["nonsense"]),
        (["optimizer=nonsense"], ["optimizer", "nonsense"]),
    ],
)
def test_faults_in_a_change_are_told_before_anything_is_made(saved, overrides, faults):
    told = refused(ConfigError, saved, *overrides)
    assert all(fault in told for fault in faults)


@pytest.mark.parametrize("content", ["nonsense", "[training]\nepoch = 3\n"])
def test_a_configuration_that_was_damaged_is_told(saved, content):
    saved.toml.write_text(content)
    assert f"{saved.toml}" in refused(ConfigError, saved)


def test_a_run_without_checkpoints_whose_record_cannot_be_read_is_told(run):
    run.events.unlink()
    with pytest.raises(runs.RunFolderError, match=r"events\.jsonl: cannot be read: No such file or directory"):
        _ = again(run).checkpoints


def test_a_run_whose_summary_cannot_be_read_is_told(run):
    run.summary.write_text("nonsense")
    with pytest.raises(runs.RunFolderError, match=r"summary\.json: is no summary of a run"):
        _ = again(run).checkpoints


def test_another_model_is_refused_before_there_is_a_run_for_it(saved, folder):
    assert "the weights of lenet-notes cannot go on as conv3-notes" in refused(ConfigError, saved, model="conv3-notes")
    assert len(runs.in_folder(folder)) == 1


def test_what_to_go_on_from_is_looked_up_anew_once_the_lock_is_held(run):
    start = again(run)
    assert start.checkpoints is None
    run.checkpoints.mkdir()
    (run.checkpoints / "last.json").write_text("{}")
    assert start.checkpoints == run.checkpoints
    assert start.resumed
