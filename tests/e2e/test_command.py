"""The command as a user meets it without a terminal: lines, JSON, run folders, exit codes."""

import json
import resource
import subprocess
import sys

import pytest

from cifar_core.events import Evaluated, RunFinished, RunStarted, StepCompleted, from_json

TINY = ("quickstart", "data.limit=256", "training.epochs=2", "training.batch_size=64")


def run_folder(tmp_path):
    [folder] = (tmp_path / "home" / "cifar-tui" / "runs").iterdir()
    return folder


def steps(text):
    return [event for event in map(from_json, text.splitlines()) if isinstance(event, StepCompleted)]


def test_a_pipe_gets_a_line_for_each_epoch_and_a_table_at_the_end(cifar_tui):
    done = cifar_tui("--no-tui", *TINY)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("epoch")] == ["1/2", "2/2"]
    assert "accuracy by class" in done.stdout
    assert "checkers" in done.stdout
    assert "completed after step 8" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_json_is_events_only_and_human_words_go_to_stderr(cifar_tui, tmp_path):
    done = cifar_tui("--no-tui", *TINY, "--json")
    assert done.returncode == 0, done.stderr
    events = [from_json(line) for line in done.stdout.splitlines()]
    assert [event.step for event in events if isinstance(event, StepCompleted)] == list(range(1, 9))
    assert isinstance(events[-1], RunFinished)
    [started] = [event for event in events if isinstance(event, RunStarted)]
    assert started.run_id == run_folder(tmp_path).name
    assert str(run_folder(tmp_path)) in done.stderr
    recorded = (run_folder(tmp_path) / "events.jsonl").read_text()
    assert recorded == done.stdout


def test_a_run_leaves_its_configuration_events_summary_log_and_checkpoints(cifar_tui, tmp_path):
    cifar_tui("--no-tui", *TINY)
    folder = run_folder(tmp_path)
    plain = {"config.toml", "events.jsonl", "summary.json", "log.txt", "lock"}
    assert {file.name for file in folder.iterdir()} == {*plain, "checkpoints"}
    assert json.loads((folder / "checkpoints" / "last.json").read_text())["step"] == 8
    summary = json.loads((folder / "summary.json").read_text())
    last = [e for e in map(from_json, (folder / "events.jsonl").read_text().splitlines()) if isinstance(e, Evaluated)]
    assert summary["state"] == "completed"
    assert summary["steps"] == 8
    assert summary["final_top1"] == last[-1].top1


def test_the_configuration_that_a_run_leaves_repeats_it_to_the_last_bit(cifar_tui, tmp_path):
    first = cifar_tui("--no-tui", *TINY, "--json", "--runs-dir", tmp_path / "runs")
    [folder] = (tmp_path / "runs").iterdir()
    again = cifar_tui("--no-tui", folder / "config.toml", "--json", "--runs-dir", tmp_path / "again")
    losses = [event.loss for event in steps(first.stdout)]
    assert len(losses) == 8
    assert [event.loss for event in steps(again.stdout)] == losses


def test_options_are_shorthands_of_keys(cifar_tui):
    done = cifar_tui(
        *("--no-tui", "--model", "lenet-notes-bn", "--augment", "none", "--optimizer", "adamw", "--json"),
        *("--epochs", 1, "--batch-size", 128, "--seed", 3, "--device", "cpu", "data.kind=synthetic", "data.limit=256"),
    )
    assert done.returncode == 0, done.stderr
    [started] = [e for e in map(from_json, done.stdout.splitlines()) if isinstance(e, RunStarted)]
    assert (started.model, started.epochs, started.batch_size) == ("lenet-notes-bn", 1, 128)


@pytest.mark.slow
def test_the_quick_start_learns_more_than_nine_in_ten(cifar_tui):
    done = cifar_tui("--no-tui", "quickstart", "--json")
    assert done.returncode == 0, done.stderr
    finished = from_json(done.stdout.splitlines()[-1])
    assert finished.reason == "completed"
    assert finished.final_top1 > 0.9


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 0, "Usage"),
        (("--no-tui",), 2, "name an experiment"),
        (("--no-such-option", "quickstart"), 2, "--no-such-option"),
        (("quickstrt",), 2, "did you mean quickstart"),
        (("quickstart", "training.epochs=zero"), 2, "training.epochs"),
        (("quickstart", "training.epoch=1"), 2, "training.epoch: unknown key; did you mean epochs"),
        (("quickstart", "optimizer.lr=nan"), 2, "optimizer.lr"),
        (("quickstart", "nonsense"), 2, "nonsense"),
        (("quickstart", "--epochs", "many"), 2, "many"),
        (("quickstart", "--model", "resnet-18"), 2, "did you mean resnet18"),
        (("quickstart", "training.device=cuda:77"), 2, "cuda"),
        (("quickstart", "training.device=cuda:007"), 2, "training.device"),
        (("quickstart", "data.mirrors=['ftp://x']"), 2, "data.mirrors[0]"),
        (("notes-lenet-2ep", "data.root=nowhere", "data.mirrors=['http://127.0.0.1:9/']"), 3, "nowhere"),
        (("quickstart", "data.kind=folder", "data.root=nowhere"), 3, "nowhere"),
        (("quickstart", "optimizer.lr=1e30"), 4, "not a finite number"),
        (("quickstart", "--runs-dir", "/proc/none"), 2, "/proc/none"),
    ],
)
def test_an_ending_has_its_exit_code_and_one_sentence(arguments, code, words, cifar_tui):
    done = cifar_tui(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if code:
        assert len(done.stderr.splitlines()) <= 2


def test_a_full_disk_under_the_run_is_one_sentence_and_no_fault_of_ours(home, tmp_path):
    # A limit to the size of files is what a test can set; 40 kB hold the beginning of a run.
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))  # noqa: E731
    command = [sys.executable, "-m", "cifar_tui", "quickstart", "--json", "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert done.returncode == 4
    assert "events.jsonl: the run cannot be recorded: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    [folder] = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "summary.json").read_text())["state"] == "failed"


def test_a_listing_may_be_cut_short_by_its_reader(home):
    command = f"set -o pipefail; {sys.executable} -m cifar_tui presets list | head -n 1"
    done = subprocess.run(["bash", "-c", command], env=home, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "models\n", "")


@pytest.mark.parametrize(("redirection", "code"), [(">/dev/full", 4), (">&-", 0)])
def test_an_answer_that_cannot_be_written_is_no_fault_of_ours(redirection, code, home):
    command = f"{sys.executable} -m cifar_tui presets list {redirection}"
    done = subprocess.run(["bash", "-c", command], env=home, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == (1 if code else 0)
    assert "fault" not in done.stderr


def test_all_faults_of_a_command_line_are_told_at_once(cifar_tui):
    done = cifar_tui("quickstart", "training.epochs=-1", "optimizer.momentm=2", "model.name=lenet")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3
    for key in ("training.epochs", "optimizer.momentm", "model.name"):
        assert key in done.stderr


def test_escape_sequences_in_arguments_never_reach_the_terminal(cifar_tui):
    for done in (cifar_tui("\x1b]0;owned\x07"), cifar_tui("quickstart", "model.name=\x1b[31mred")):
        assert done.returncode == 2
        assert "\x1b" not in done.stdout + done.stderr


def test_a_reader_that_leaves_does_not_end_the_training(home, tmp_path):
    command = [sys.executable, "-m", "cifar_tui", *TINY, "--json", "--runs-dir", str(tmp_path / "runs")]
    with subprocess.Popen(command, env=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.close()
        assert process.wait(120) == 0
    [folder] = (tmp_path / "runs").iterdir()
    assert len(steps((folder / "events.jsonl").read_text())) == 8


def test_presets_are_listed_shown_and_saved(cifar_tui):
    listed = cifar_tui("presets", "list")
    assert listed.returncode == 0
    for name in ("quickstart", "notes-lenet-2ep", "resnet18-cutout", "crop-flip", "adamw"):
        assert name in listed.stdout
    saved = cifar_tui("presets", "save", "mine", "quickstart", "training.epochs=3", "--description", "my own")
    assert saved.returncode == 0, saved.stderr
    shown = cifar_tui("presets", "show", "mine")
    [line] = [line for line in shown.stdout.splitlines() if line.startswith("training.epochs ")]
    assert line.split()[1] == "3"
    assert "mine.toml" in line
    again = cifar_tui("presets", "save", "mine", "quickstart")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert cifar_tui("presets", "save", "../mine", "quickstart").returncode == 2


def test_a_preset_of_another_kind_is_shown_as_its_file(cifar_tui):
    done = cifar_tui("presets", "show", "adamw", "--kind", "optimizers")
    assert done.returncode == 0
    assert 'name = "adamw"' in done.stdout
    assert "adamw.toml" in done.stdout.splitlines()[0]


def test_a_preset_is_edited_as_a_copy_of_the_built_in_one(cifar_tui):
    done = cifar_tui("presets", "edit", "quickstart", EDITOR="sed -i s/^epochs.*/epochs=0/")
    assert done.returncode == 2
    assert "training.epochs" in done.stderr
    assert "home" in done.stderr
    mended = cifar_tui("presets", "edit", "quickstart", EDITOR="sed -i s/^epochs.*/epochs=9/")
    assert mended.returncode == 0, mended.stderr
    assert "9" in cifar_tui("presets", "show", "quickstart").stdout


def test_the_schema_is_json_and_knows_every_section(cifar_tui):
    schema = json.loads(cifar_tui("presets", "schema").stdout)
    assert {"model", "data", "augment", "optimizer", "schedule", "training"} <= schema["properties"].keys()
