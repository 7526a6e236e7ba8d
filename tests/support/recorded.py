"""Runs as they lie in a folder, made without any training."""

import msgspec
from samples import epoch_completed, evaluated, run_started

from cifar_core.events import RunFinished, StepCompleted, to_json
from cifar_experiments import presets, runs
from cifar_experiments.runs.summary import Telling, to_bytes, updated

NOBODY = 2**31 - 1
"""A pid that no process has."""


def recorded(
    folder, *words, name=None, started=None, state="completed", top1=(0.5, 0.6), classes=("cat", "ship"), split="test"
):
    """A run of one epoch for each accuracy, each epoch of ten steps; ``state`` None is one that was killed."""
    config = presets.compose("quickstart", overrides=[f"training.epochs={len(top1)}", *words]).config
    config = config.model_copy(update={"name": name or config.name})
    run = runs.create(config, folder, command=["cifar-tui", "quickstart"])
    events = list(_events(config, top1, classes, split))
    if state is not None:
        seconds = {"training_seconds": 60.0, "evaluation_seconds": 5.0, "data_seconds": 0.0, "paused_seconds": 0.0}
        error = "the loss is not finite" if state == "diverged" else None
        steps, newest = 10 * len(top1), top1[-1] if top1 else None
        events.append(
            RunFinished(time=9.0, reason=state, epoch=len(top1), step=steps, final_top1=newest, error=error, **seconds)
        )
    run.events.write_bytes(b"".join(to_json(event) + b"\n" for event in events))
    summary = runs.read_summary(run.summary)
    for event in events:
        if isinstance(event, Telling):
            summary = updated(summary, event)
    summary = msgspec.structs.replace(summary, pid=NOBODY, started=summary.started if started is None else started)
    run.summary.write_bytes(to_bytes(summary))
    return run


def _events(config, top1, classes, split):
    yield run_started(
        experiment=config.name, classes=classes, epochs=len(top1), steps_per_epoch=10, total_steps=10 * len(top1)
    )
    for epoch, accuracy in enumerate(top1, 1):
        for step in range(10 * epoch - 9, 10 * epoch + 1):
            yield StepCompleted(time=1.0, epoch=epoch, step=step, loss=2.0 / step, accuracy=accuracy, learning_rate=0.1)
        yield epoch_completed(epoch=epoch, step=10 * epoch)
        correct = tuple(round(100 * accuracy) + place for place in range(len(classes)))
        yield evaluated(
            epoch=epoch, step=10 * epoch, split=split, top1=accuracy, best=False,
            class_correct=correct, class_total=(100,) * len(classes), confusion=(),
        )  # fmt: skip
