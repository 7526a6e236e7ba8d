"""A training under way, and what happens in it between two steps: requests, evaluations, checkpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cifar_core import continuation
from cifar_core.cadence import Cadence
from cifar_core.clock import Clock
from cifar_core.control import ChangeCheckpointMinutes, ChangeLearningRate, Control, Request
from cifar_core.data.dataset import Images
from cifar_core.data.resident import to_device
from cifar_core.epoch import ADVICE, Diverged, Progress
from cifar_core.evaluate import evaluate as evaluated
from cifar_core.events import AnyEvent, Evaluated, LearningRateChanged, Paused, Resumed, Split
from cifar_core.preparation import Prepared
from cifar_core.readback import finite

EVALUATION_BATCH = 500


class Ended(Exception):
    """Somebody asked for the end (``STOP``) or has stopped listening (``CLOSE``)."""

    def __init__(self, request: Request) -> None:
        self.request = request


@dataclass(frozen=True, slots=True)
class Session:
    """One training under way, as the functions below hand it to each other."""

    prepared: Prepared
    control: Control
    clock: Clock
    progress: Progress
    checkpoints: Path | None
    """The folder that they are saved in; None for none."""
    cadence: Cadence

    def save(self, *, best: bool = False) -> Generator[AnyEvent, None, bool]:
        """Save a checkpoint of the moment, if there is a folder for it; return whether it was saved."""
        if self.checkpoints is None:
            return False
        began = time.monotonic()
        saved = yield from continuation.save(self.checkpoints, self.prepared, self.progress, self.clock, best=best)
        self.cadence.saved(time.monotonic() - began)
        return saved


def evaluation_is_due(session: Session) -> bool:
    """Whether the step just made asks for an evaluation that has not been made yet."""
    every, progress = session.prepared.config.training.evaluate_every, session.progress
    return every is not None and progress.step % every == 0 and progress.evaluated_step < progress.step > 0


def out_of_patience(session: Session) -> bool:
    """Whether the training is to end since it has not become better for long enough."""
    patience = session.prepared.config.training.patience
    return patience is not None and session.progress.evaluations_since_best >= patience


def until_asked(
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


def obey(session: Session) -> Iterator[AnyEvent]:
    """Do what was asked for, waiting while paused.

    Raises:
        Ended: The end was asked for.
    """
    clock, progress = session.clock, session.progress
    epoch, step = progress.epoch, progress.step
    paused = False
    while (request := session.control.take(wait=paused)) is not None:
        match request:
            case Request.STOP | Request.CLOSE:
                raise Ended(request)
            case Request.CHECKPOINT:
                yield from session.save()
            case ChangeLearningRate(learning_rate=rate):
                progress.base_rate = rate
                yield LearningRateChanged(time=time.time(), epoch=epoch, step=step, learning_rate=rate)
                # Else the steps to come would be made with the old one, were they to be made again.
                yield from session.save()
            case ChangeCheckpointMinutes(minutes=minutes):
                session.cadence.minutes = minutes
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


def obey_after_epoch(session: Session) -> Iterator[AnyEvent]:
    """End between two epochs if that was asked for, once all else that was asked for is done.

    Raises:
        Ended: It was, or the end was asked for meanwhile.
    """
    is_last = session.progress.step >= session.prepared.total_steps or out_of_patience(session)
    if session.control.stops_after_epoch and not is_last:
        yield from obey(session)
        raise Ended(Request.STOP)


def evaluate(session: Session) -> Iterator[AnyEvent]:
    """Evaluate on the validation images where there are some; only else on the test images."""
    if session.prepared.val is None:
        yield from evaluate_split(session, "test", session.prepared.test)
        session.progress.evaluated_step = session.progress.step
        return
    progress = session.progress
    top1 = yield from evaluate_split(session, "val", session.prepared.val)
    progress.evaluated_step = progress.step
    kept = progress.best_kept
    if kept is None or top1 > kept:
        progress.best_kept = top1
        saved = yield from session.save(best=True)
        if not saved:
            progress.best_kept = kept


def test(session: Session) -> Iterator[AnyEvent]:
    """Evaluate, after the last step, on the test images and on each extra test set, unless that is done already."""
    prepared, progress = session.prepared, session.progress
    if progress.tested_step < progress.step:
        yield from evaluate_split(session, "test", prepared.test)
    for name, images in prepared.extra.items():
        if name not in progress.extra_top1:
            yield from evaluate_split(session, "extra", to_device(images, prepared.device), extra_test=name)


def evaluate_split(
    session: Session, name: Split, split: Images, *, extra_test: str | None = None
) -> Generator[AnyEvent, None, float]:
    """Evaluate on the images of ``split``, which is called ``name``; return the top-1 accuracy.

    Of an extra test set, ``extra_test`` is what the set is called.

    Raises:
        Ended: The end was asked for meanwhile.
        Diverged: The loss is not a finite number; after the event that says so.
    """
    prepared, clock, progress = session.prepared, session.clock, session.progress
    before = clock.seconds("evaluation")
    clock.enter("evaluation")
    with prepared.learner.autocast():
        result = evaluated(
            prepared.learner.evaluated(prepared.sample()),
            split.images,
            split.labels,
            normalise=prepared.normalise,
            test_time=prepared.config.augment.test_time,
            loss=prepared.learner.loss,
            classes=len(prepared.classes),
            batch_size=EVALUATION_BATCH,
            should_stop=lambda: session.control.ending is not None,
        )
    clock.enter("training")
    if result is None:
        raise Ended(session.control.ending or Request.STOP)
    is_finite = finite(result.loss) is not None
    best = name == "val" and is_finite and (progress.best_top1 is None or result.top1 > progress.best_top1)
    if best:
        progress.best_top1 = result.top1
    if name == "val":
        progress.evaluations_since_best = 0 if best else progress.evaluations_since_best + 1
    if name == "test":
        progress.final_top1, progress.tested_step = result.top1, progress.step
    if extra_test is not None:
        progress.extra_top1[extra_test] = result.top1
    yield Evaluated(
        time=time.time(),
        epoch=progress.epoch,
        step=progress.step,
        split=name,
        extra_test=extra_test,
        loss=finite(result.loss),
        top1=result.top1,
        top5=result.top5,
        class_correct=result.class_correct,
        class_total=result.class_total,
        confusion=result.confusion,
        best=best,
        seconds=clock.seconds("evaluation") - before,
    )
    if not is_finite:
        raise Diverged(f"the {extra_test or name} loss was not a finite number after step {progress.step}; {ADVICE}")
    return result.top1
