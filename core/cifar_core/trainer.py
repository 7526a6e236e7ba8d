"""One training from its configuration to its last event: the loop, to be read from top to bottom."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from cifar_core import continuation, device
from cifar_core.cadence import Cadence
from cifar_core.clock import Clock
from cifar_core.config import Config
from cifar_core.control import Control, Request
from cifar_core.data.resident import batches, shuffled
from cifar_core.epoch import Diverged, Epoch, Progress
from cifar_core.errors import CifarError, TrainingError
from cifar_core.events import AnyEvent, RunFinished
from cifar_core.preparation import prepare
from cifar_core.randomness import derived_seed
from cifar_core.readback import Readback
from cifar_core.session import (
    Ended,
    Session,
    evaluate,
    evaluation_is_due,
    obey,
    obey_after_epoch,
    out_of_patience,
    test,
    until_asked,
)


def run(
    config: Config,
    control: Control,
    *,
    checkpoint_dir: Path | None = None,
    resume: Path | None = None,
    run_id: str = "",
) -> Generator[AnyEvent, None, None]:
    """Train as ``config`` says; yield every event, ``RunFinished`` last. Blocks its thread while it works.

    Raises:
        CifarError: The training failed; ``RunFinished`` with the reason "failed" was yielded before.
    """
    clock, progress = Clock(), Progress()
    reason: Literal["completed", "stopped", "diverged", "failed"] = "completed"
    failure: CifarError | None = None
    sentence, early = None, False
    cadence = Cadence(config.training.checkpoint_every, config.training.checkpoint_minutes)
    try:
        with device.determinism(wanted=config.training.deterministic), contextlib.ExitStack() as ending:
            prepared = yield from until_asked(prepare(config, resumed=resume is not None), control)
            ending.callback(prepared.source.close)
            session = Session(prepared, control, clock, progress, checkpoint_dir, cadence)
            yield from _train(session, resume, run_id)
            early = out_of_patience(session) and progress.step < prepared.total_steps
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
        early=early,
        checkpoint=progress.checkpoint,
        best_top1=progress.best_top1,
        final_top1=progress.final_top1,
        extra_top1=progress.extra_top1,
        final_loss=progress.final_loss,
        training_seconds=clock.seconds("training"),
        evaluation_seconds=clock.seconds("evaluation"),
        data_seconds=clock.seconds("data"),
        paused_seconds=clock.seconds("paused"),
        error=sentence,
    )
    if failure is not None:
        raise failure


def _train(session: Session, resume: Path | None, run_id: str) -> Iterator[AnyEvent]:
    """Begin, or go on from a checkpoint; make all steps; save when asked to stop, and at the end."""
    prepared, progress = session.prepared, session.progress
    progress.base_rate = prepared.config.optimizer.lr
    fork, warnings = False, list[AnyEvent]()
    if resume is not None:
        fork = session.checkpoints is not None and resume.resolve() != session.checkpoints.resolve()
        warnings = list(continuation.resume(resume, prepared, progress, session.clock, fork=fork))
    yield prepared.started(run_id, progress)
    yield from warnings
    session.clock.enter("training")
    try:
        if fork:
            # From here on it stands by itself, whatever becomes of the other run.
            yield from session.save()
        yield from _make_steps(session)
        yield from test(session)
    except Ended as ended:
        if ended.request is Request.STOP:
            yield from session.save()
        raise
    yield from session.save()


def _make_steps(session: Session) -> Iterator[AnyEvent]:
    prepared, clock, progress = session.prepared, session.clock, session.progress
    training, learner, readback = prepared.config.training, prepared.learner, Readback(prepared.device)
    learner.model.train()

    while not out_of_patience(session) and (progress.in_epoch or progress.step < prepared.total_steps):
        epoch = Epoch(clock, progress)
        order = shuffled(len(prepared.train), derived_seed(training.seed, "order", progress.epoch), prepared.device)
        order = order[: prepared.steps_per_epoch * training.batch_size]  # shorter only by a batch that is left out
        load, augment = partial(prepared.source.blocks, progress.epoch), partial(prepared.augment, progress.epoch)
        made = progress.step - (progress.epoch - 1) * prepared.steps_per_epoch
        labels = prepared.train.labels
        for images, targets in batches(load, labels, order, training.batch_size, augment, clock, start=made):
            # The last step may come within an epoch.
            if progress.step >= prepared.total_steps:
                break
            # Whoever watches is obeyed between two steps, and has seen every step before the answer.
            if session.control.pending:
                yield from epoch.report(readback.drain())
                yield from obey(session)
            # Evaluation by the step, where that was asked for.
            if evaluation_is_due(session):
                yield from epoch.report(readback.drain())
                yield from evaluate(session)
                if out_of_patience(session):
                    return
            # The rate of this step, as the schedule has it.
            rate = learner.set_learning_rate(progress.base_rate, partial(prepared.schedule, progress.step))
            # The step itself: forward, loss, backward, clipping, update.
            loss, logits, norm = learner.update(images, targets)
            progress.step += 1
            # Its figures stay on the device until a block of them is worth reading.
            readback.add(progress.epoch, progress.step, rate, loss, logits, targets, norm)
            if readback.waiting:
                yield from epoch.report(readback.ready())
                # Often enough to look at the clock.
                if session.cadence.due():
                    yield from epoch.report(readback.drain())
                    yield from session.save()
        yield from epoch.report(readback.drain())
        learner.after_epoch(progress.step, prepared.total_steps)
        if progress.evaluated_step < progress.step and (not training.evaluate_every or evaluation_is_due(session)):
            yield from evaluate(session)
        if progress.step < progress.epoch * prepared.steps_per_epoch:
            return
        yield epoch.completed()
        yield from obey_after_epoch(session)
        if progress.step < prepared.total_steps and session.cadence.due_after_epoch(progress.epoch):
            yield from session.save()


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
