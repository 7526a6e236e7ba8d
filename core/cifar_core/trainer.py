"""One training from its configuration to its last event: the loop, to be read from top to bottom."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from functools import partial
from typing import Literal, cast

import torch

from cifar_core.clock import Clock
from cifar_core.config import Config
from cifar_core.control import ChangeLearningRate, Control, Request
from cifar_core.data.dataset import Images
from cifar_core.data.resident import batches, shuffled
from cifar_core.epoch import ADVICE, Diverged, Epoch, Progress
from cifar_core.errors import CifarError, TrainingError
from cifar_core.evaluate import evaluate
from cifar_core.events import (
    AnyEvent,
    Evaluated,
    LearningRateChanged,
    Paused,
    Resumed,
    RunFinished,
    Split,
)
from cifar_core.preparation import Prepared, prepare
from cifar_core.randomness import derived_seed
from cifar_core.readback import Readback, finite

EVALUATION_BATCH = 500


class Ended(Exception):
    """Somebody asked for the end (``STOP``) or has stopped listening (``CLOSE``)."""

    def __init__(self, request: Request) -> None:
        self.request = request


def run(config: Config, control: Control, run_id: str = "") -> Iterator[AnyEvent]:
    """Train as ``config`` says; yield every event, ``RunFinished`` last. Blocks its thread while it works.

    Raises:
        CifarError: The training failed; ``RunFinished`` with the reason "failed" was yielded before.
    """
    clock, progress = Clock(), Progress()
    reason: Literal["completed", "stopped", "diverged", "failed"] = "completed"
    failure: CifarError | None = None
    sentence = None
    try:
        yield from _train(config, control, run_id, clock, progress)
    except Ended as ended:
        if ended.request is Request.CLOSE:
            return
        reason = "stopped"
    except Diverged as diverged:
        reason, sentence = "diverged", str(diverged)
    except Exception as error:  # noqa: BLE001, whatever failed is reported, then raised
        failure = _explained(error, config)
        reason, sentence = "failed", str(failure)
    clock.enter("preparing")
    yield RunFinished(
        time=time.time(),
        reason=reason,
        epoch=progress.epoch,
        step=progress.step,
        best_top1=progress.best_top1,
        final_top1=progress.final_top1,
        final_loss=progress.final_loss,
        training_seconds=clock.seconds("training"),
        evaluation_seconds=clock.seconds("evaluation"),
        data_seconds=clock.seconds("data"),
        paused_seconds=clock.seconds("paused"),
        error=sentence,
    )
    if failure is not None:
        raise failure


def _train(config: Config, control: Control, run_id: str, clock: Clock, progress: Progress) -> Iterator[AnyEvent]:
    prepared = yield from _until_asked(prepare(config), control)
    yield prepared.started(run_id)
    training, learner, readback = config.training, prepared.learner, Readback(prepared.device)
    base_rate = config.optimizer.lr
    learner.model.train()
    clock.enter("training")

    while progress.step < prepared.total_steps:
        progress.epoch += 1
        epoch = Epoch(clock, progress)
        order = shuffled(len(prepared.train), derived_seed(training.seed, "order", progress.epoch), prepared.device)
        augment = partial(prepared.augment, progress.epoch)
        for images, labels in batches(prepared.train, order, training.batch_size, augment, clock):
            # Whoever watches is obeyed between two steps, and has seen every step before the answer.
            if control.pending:
                yield from epoch.report(readback.drain())
                base_rate = (yield from _obey(control, clock, progress)) or base_rate
            # The rate of this step, as the schedule has prepared.
            rate = base_rate * prepared.schedule(progress.step)
            learner.set_learning_rate(rate)
            # The step itself: forward, loss, backward, clipping, update.
            loss, logits, norm = learner.update(images, labels)
            progress.step += 1
            # Its figures stay on the device until a block of them is worth reading.
            readback.add(progress.epoch, progress.step, rate, loss, logits, labels, norm)
            if readback.waiting:
                yield from epoch.report(readback.ready())
            # Evaluation by the step, where that was asked for.
            if training.evaluate_every and progress.step % training.evaluate_every == 0:
                yield from epoch.report(readback.drain())
                yield from _evaluate(prepared, control, clock, progress)
            # The last step may come within an epoch.
            if progress.step == prepared.total_steps:
                break
        yield from epoch.report(readback.drain())
        if not training.evaluate_every:
            yield from _evaluate(prepared, control, clock, progress)
        if progress.step == prepared.total_steps and progress.tested_step < progress.step:
            yield from _evaluate_split("test", prepared.test, prepared, control, clock, progress)
        if progress.step == progress.epoch * prepared.steps_per_epoch:
            yield epoch.completed()


def _until_asked(
    preparation: Generator[AnyEvent, None, Prepared], control: Control
) -> Generator[AnyEvent, None, Prepared]:
    """Pass a preparation's events on and return what it returns, unless the end is asked for before.

    Raises:
        Ended: It was.
    """
    with contextlib.closing(preparation):
        while True:
            if control.ending is not None:
                raise Ended(control.ending)
            try:
                event = next(preparation)
            except StopIteration as done:
                return cast(Prepared, done.value)
            yield event


def _obey(control: Control, clock: Clock, progress: Progress) -> Generator[AnyEvent, None, float | None]:
    """Do what was asked for, waiting while paused; return the new base learning rate if there is one.

    Raises:
        Ended: The end was asked for.
    """
    epoch, step = progress.epoch, progress.step
    paused = False
    new_rate: float | None = None
    while (request := control.take(wait=paused)) is not None:
        match request:
            case Request.STOP | Request.CLOSE:
                raise Ended(request)
            case ChangeLearningRate():
                new_rate = request.learning_rate
                yield LearningRateChanged(time=time.time(), epoch=epoch, step=step, learning_rate=new_rate)
            case Request.PAUSE | Request.TOGGLE_PAUSE if not paused:
                paused = True
                clock.enter("paused")
                yield Paused(time=time.time(), epoch=epoch, step=step)
            case Request.RESUME | Request.TOGGLE_PAUSE if paused:
                paused = False
                clock.enter("training")
                yield Resumed(time=time.time(), epoch=epoch, step=step)
            case _:
                pass  # asked to pause while paused, or to resume while running
    return new_rate


def _evaluate(prepared: Prepared, control: Control, clock: Clock, progress: Progress) -> Iterator[AnyEvent]:
    """Evaluate on the validation images where there are some; only else on the test images."""
    if prepared.val is not None:
        yield from _evaluate_split("val", prepared.val, prepared, control, clock, progress)
    else:
        yield from _evaluate_split("test", prepared.test, prepared, control, clock, progress)


def _evaluate_split(
    name: Split, split: Images, prepared: Prepared, control: Control, clock: Clock, progress: Progress
) -> Iterator[AnyEvent]:
    before = clock.seconds("evaluation")
    clock.enter("evaluation")
    with prepared.learner.autocast():
        result = evaluate(
            prepared.learner.model,
            split.images,
            split.labels,
            normalise=prepared.normalise,
            loss=prepared.learner.loss,
            classes=len(prepared.classes),
            batch_size=EVALUATION_BATCH,
            should_stop=lambda: control.ending is not None,
        )
    clock.enter("training")
    if result is None:
        raise Ended(control.ending or Request.STOP)
    best = name == "val" and (progress.best_top1 is None or result.top1 > progress.best_top1)
    if best:
        progress.best_top1 = result.top1
    if name == "test":
        progress.final_top1, progress.tested_step = result.top1, progress.step
    yield Evaluated(
        time=time.time(),
        epoch=progress.epoch,
        step=progress.step,
        split=name,
        loss=finite(result.loss),
        top1=result.top1,
        top5=result.top5,
        class_correct=result.class_correct,
        class_total=result.class_total,
        confusion=result.confusion,
        best=best,
        seconds=clock.seconds("evaluation") - before,
    )
    if finite(result.loss) is None:
        raise Diverged(f"the {name} loss was not a finite number after step {progress.step}; {ADVICE}")


def _explained(error: Exception, config: Config) -> CifarError:
    """The error as one sentence for the user; the original one is its cause."""
    if isinstance(error, CifarError):
        return error
    # On the CPU torch has no class of its own for it.
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        size = config.training.batch_size
        explained = TrainingError(
            f"out of memory with training.batch_size={size}; try a smaller one, training.accumulate=2 "
            "(half as many images at a time in one step) or training.precision=bf16"
        )
    else:
        first_line, _, _ = str(error).partition("\n")
        explained = TrainingError(f"training failed: {type(error).__name__}: {first_line}")
    explained.__cause__ = error
    return explained
