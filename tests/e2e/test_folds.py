"""``--folds K``: a run for each fold, one after another, and what they come to in the end."""

from __future__ import annotations

import json
import re
import statistics
import time

import pytest

from cifar_core.events import Evaluated, RunFinished, from_json

TINY = ("quickstart", "data.limit=250", "training.epochs=2", "training.batch_size=50", "training.threads=1")


def runs_of(tmp_path):
    return sorted((tmp_path / "home" / "cifar-tui" / "runs").iterdir())


def events_of(run):
    return [from_json(line) for line in (run / "events.jsonl").read_text().splitlines()]


def newest_val(run):
    return [event.top1 for event in events_of(run) if isinstance(event, Evaluated) and event.split == "val"][-1]


def folds_of(runs):
    return sorted(int(re.search(r"^fold = (\d+)$", (run / "config.toml").read_text(), re.MULTILINE)[1]) for run in runs)


def test_each_fold_is_a_run_and_their_mean_and_deviation_come_last(cifar_tui, tmp_path):
    done = cifar_tui("--no-tui", *TINY, "--folds", 3, "data.stratified=true")
    assert done.returncode == 0, done.stderr
    runs = runs_of(tmp_path)
    assert folds_of(runs) == [1, 2, 3]
    accuracies = [100 * newest_val(run) for run in runs]
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    assert done.stdout.splitlines()[-1] == f"quickstart, 3 folds, val: {mean:.2f} ± {deviation:.2f} %"
    compared = cifar_tui("compare", *(run.name for run in runs))
    assert f"quickstart, 3 folds, val: {mean:.2f} ± {deviation:.2f} %" in compared.stdout
    assert "quickstart fold 3" in compared.stdout


def test_for_a_program_the_events_of_all_folds_come_one_after_another_and_the_words_go_to_stderr(cifar_tui):
    done = cifar_tui("--no-tui", *TINY, "--folds", 2, "--json")
    assert done.returncode == 0, done.stderr
    events = [from_json(line) for line in done.stdout.splitlines()]
    assert [event.reason for event in events if isinstance(event, RunFinished)] == ["completed"] * 2
    assert re.search(r"^quickstart, 2 folds, val: [\d.]+ ± [\d.]+ %$", done.stderr, re.MULTILINE)


def test_a_detached_process_trains_one_fold_after_another(cifar_tui, tmp_path):
    done = cifar_tui(*TINY, "--folds", 2, "--detach")
    assert done.returncode == 0, done.stderr
    runs = runs_of(tmp_path)
    assert sorted(done.stdout.split()) == [run.name for run in runs]
    latest = time.monotonic() + 240
    while any(json.loads((run / "summary.json").read_text())["state"] != "completed" for run in runs):
        assert time.monotonic() < latest
        time.sleep(0.2)
    assert folds_of(runs) == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("quickstart", "--folds", 1), "--folds"),
        (("quickstart", "--folds", "many"), "--folds"),
        (("--folds", 3), "name an experiment"),
        (("--folds", 3, "--resume", "last"), "leave --folds out"),
        (("quickstart", "--folds", 3, "data.validation=0.1"), "data.folds: hold images out, as validation does"),
        (("quickstart", "--folds", 3, "training.epoch=1"), "training.epoch: unknown key"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence_before_a_run_is_made(arguments, words, cifar_tui, tmp_path):
    done = cifar_tui("--no-tui", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert not (tmp_path / "home" / "cifar-tui" / "runs").exists()


def test_a_fold_that_fails_is_told_and_the_command_says_so_by_its_code(cifar_tui, tmp_path):
    done = cifar_tui("--no-tui", *TINY, "--folds", 2, "optimizer.lr=1e30")
    assert done.returncode == 4
    assert done.stderr.count("not a finite number") == 2
    assert "folds, val" not in done.stdout
    assert len(runs_of(tmp_path)) == 2


def test_an_interrupted_run_with_an_extra_test_set_goes_on_from_another_folder_to_the_same_end(cifar_tui, tmp_path):
    for number, name in enumerate(("disc", "ring")):
        folder = tmp_path / "more" / name
        folder.mkdir(parents=True)
        for image in range(3):
            (folder / f"{image}.ppm").write_bytes(b"P6 1 1 255 " + bytes([number, image, 9]))
    words = (*TINY, 'data.classes=["ring", "disc"]', 'data.extra_tests=["more"]')
    done = cifar_tui("--no-tui", *words, "training.max_steps=3")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^extra more [\d.]+ % of 6 images$", done.stdout, re.MULTILINE)
    again = cifar_tui("--no-tui", "--resume", "last", "training.max_steps=")
    assert again.returncode == 0, again.stderr
    parent, fork = runs_of(tmp_path)
    assert f'extra_tests = ["{tmp_path / "more"}"]' in (fork / "config.toml").read_text()
    for run in (parent, fork):
        [extra] = [event for event in events_of(run) if isinstance(event, Evaluated) and event.split == "extra"]
        assert json.loads((run / "summary.json").read_text())["extra_top1"] == {"more": extra.top1}
    assert extra.step == 10
    shown = cifar_tui("runs", "show", fork.name)
    assert f"extra more {100 * extra.top1:.2f} %" in shown.stdout
