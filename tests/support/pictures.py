"""Runs and apps that look the same at any time and on any machine, for pictures that are kept."""

import math
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
from launch_pad import own_folders
from recorded import recorded
from samples import epoch_completed, evaluated, run_started

from cifar_core.events import CheckpointSaved, GpuSample, RunFinished, StepCompleted, SystemSampled
from cifar_experiments.runs import Run
from cifar_experiments.runs.summary import read_summary, to_bytes
from cifar_tui.app import CifarApp
from cifar_tui.cost import Cost
from cifar_tui.screens import compare
from cifar_tui.widgets import run_detail, run_list
from cifar_tui.widgets.run_table import RunTable

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NOW = 1_750_000_000.0
EPOCHS, STEPS = 10, 100


def hold_still(path, monkeypatch):
    """Work in ``path``, by relative paths alone, at a fixed time, with a screen that costs a fixed share."""
    own_folders(path, monkeypatch)
    for name in ("NO_COLOR", "CIFAR_TUI_RUNS", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(CifarApp, "ascii", property(lambda app: app.settings.ascii))
    monkeypatch.setattr(Cost, "share", lambda _: 0.012)
    monkeypatch.setattr(compare, "time", SimpleNamespace(strftime=lambda _: "12:34:56"))
    monkeypatch.setitem(RunTable.__init__.__kwdefaults__, "clock", lambda: NOW)
    monkeypatch.setattr(run_list, "runs_folder", lambda _: Path("runs"))
    there = run_detail.known
    monkeypatch.setattr(run_detail, "known", lambda run, summary: there(Run(run.path.relative_to(path)), summary))


def run_events(epochs=7, classes=CLASSES, gpus=0):
    """Those of a run that learns; ``epochs`` of it are over."""
    count = len(classes)
    yield run_started(
        experiment="notes-lenet", classes=classes, epochs=EPOCHS, batch_size=64,
        steps_per_epoch=STEPS, total_steps=EPOCHS * STEPS,
    )  # fmt: skip
    for step in range(1, epochs * STEPS + 1):
        done = step / (EPOCHS * STEPS)
        loss = 0.5 + 1.8 * (1 - done) ** 3 + 0.2 * math.sin(1.7 * step)
        yield StepCompleted(
            time=100 + step / 20, epoch=(step - 1) // STEPS + 1, step=step, loss=loss,
            accuracy=0.9 - loss / 3, learning_rate=0.02 * (1 - done),
        )  # fmt: skip
        if step % 10 == 0:
            yield _sample(step, gpus)
        if step % STEPS == 0:
            epoch = step // STEPS
            yield epoch_completed(time=100 + step / 20, epoch=epoch, step=step, loss=loss, accuracy=0.5 + done / 3)
            correct = tuple(round((30 + 60 * done) * (1 - place * 0.5 / count)) for place in range(count))
            confusion = tuple(
                tuple((7 * row + 3 * column) % 11 if row != column else correct[row] for column in range(count))
                for row in range(count)
            )
            yield evaluated(
                time=100 + step / 20, epoch=epoch, step=step, loss=1.6 - done, top1=sum(correct) / 100 / count,
                class_correct=correct, class_total=(100,) * count, confusion=confusion, best=epoch != 4,
            )  # fmt: skip
            yield saved(epoch=epoch, step=step)


def _sample(step, gpus):
    cards = tuple(
        GpuSample(
            index=index, name="NVIDIA H200", utilisation=0.9 - 0.3 * index - 0.1 * (step // 10 % 3),
            memory_used=(20 + 10 * index) << 30, memory_total=140 << 30, power=450.0 + index, temperature=61.0 + index,
        )
        for index in range(gpus)
    )  # fmt: skip
    return SystemSampled(
        time=100 + step / 20, process_cpu=1.0 + 0.1 * (step // 10 % 4), host_cpu=0.4, process_memory=3 << 29,
        host_memory_used=8 << 30, host_memory_total=32 << 30, gpus=cards,
    )  # fmt: skip


def saved(epoch, step):
    """A checkpoint that was the best so far."""
    return CheckpointSaved(
        time=100 + step / 20, epoch=epoch, step=step, best=True, path="runs/mine/best.safetensors", bytes=1, seconds=0.1
    )


def run_finished(**changes):
    """The end of the run."""
    figures = {"time": 160.0, "reason": "completed", "epoch": EPOCHS, "step": EPOCHS * STEPS}
    accuracies = {"best_top1": 0.672, "final_top1": 0.668}
    seconds = {"training_seconds": 50.0, "evaluation_seconds": 5.0, "data_seconds": 1.0, "paused_seconds": 0.0}
    return RunFinished(**{**figures, **accuracies, **seconds, **changes})


def recorded_at(minutes_ago, name, *words, **options):
    """A run in the folder ``runs`` with an id, a process and a time of its own that never change."""
    started = NOW - 60 * minutes_ago
    run = recorded(Path("runs"), *words, name=name, started=started, **options)
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(started))
    fixed = Run(run.path.rename(run.path.parent / f"{when}-{name}-{minutes_ago:04x}"))
    summary = read_summary(fixed.summary)
    fixed.summary.write_bytes(to_bytes(msgspec.structs.replace(summary, id=fixed.id, pid=4242, host="node1")))
    return fixed
