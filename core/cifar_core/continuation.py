"""A training's whole state as plain data, and back: what a checkpoint holds so that training goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cifar_core import checkpoint, device, generators
from cifar_core.checkpoint import CheckpointError
from cifar_core.clock import Clock
from cifar_core.config import Config
from cifar_core.epoch import ADVICE, Diverged, Progress
from cifar_core.errors import printable
from cifar_core.events import AnyEvent, CheckpointSaved, CheckpointStarted, Warned
from cifar_core.preparation import Prepared

# What may differ between a checkpoint and the training that goes on from it, since no step depends on it.
FREE_IN_DATA = {"root", "verify", "mirrors", "extra_tests", "loader", "workers"}
FREE_IN_MODEL = {"drop_weights", "rename_weights"}
FREE_IN_TRAINING = {"device", "threads", "deterministic", "checkpoint_every", "checkpoint_minutes", "gradient_norm"}

# In the section of the data, what decides which images are held out.
HOLDING_OUT = {"kind", "limit", "classes", "validation", "folds", "fold", "stratified"}


def save(
    folder: Path, prepared: Prepared, progress: Progress, clock: Clock, *, best: bool
) -> Generator[AnyEvent, None, bool]:
    """Save a checkpoint into ``folder``; yield that it begins and what came of it; return whether it was saved.

    A checkpoint that cannot be written is warned of: the training is worth more than its copy.

    Raises:
        Diverged: A weight is not a finite number; what was saved before is kept as it is.
    """
    interrupted = clock.enter("preparing")  # time that belongs to no rate
    try:
        # The last step's loss was that of the weights before it, and cannot tell.
        if not prepared.learner.is_finite():
            raise Diverged(f"the weights were not finite numbers after step {progress.step}; {ADVICE}")
        progress.checkpoints += 1
        place = {"epoch": progress.epoch, "step": progress.step}
        yield CheckpointStarted(time=time.time(), number=progress.checkpoints, **place)
        began = time.perf_counter()
        try:
            saved = checkpoint.save(folder, _state(prepared, progress, clock), step=progress.step, best=best)
        except CheckpointError as error:
            yield Warned(time=time.time(), code="checkpoint-not-saved", message=str(error))
            return False
        progress.checkpoint = str(saved.path)
        seconds = time.perf_counter() - began
    finally:
        clock.enter(interrupted)
    yield CheckpointSaved(
        time=time.time(), best=best, path=progress.checkpoint, bytes=saved.bytes, seconds=seconds, **place
    )
    return True


def resume(folder: Path, prepared: Prepared, progress: Progress, clock: Clock, *, fork: bool) -> Iterator[AnyEvent]:
    """Make ``prepared``, ``progress`` and ``clock`` what they were at the last usable checkpoint in ``folder``.

    A fork goes on with another configuration: with weights, position and, as long as the optimizer is of the
    same kind, its state; with rates, sizes and schedule as they are now.

    Yields a ``Warned`` for a fall-back to an earlier checkpoint, for what keeps the rest of the training from being
    exactly what it would have been, and for a fork that holds other images out than were before.

    Raises:
        CheckpointError: There is none that can be used, or it is of another experiment.
    """
    loaded = checkpoint.load(folder)
    if loaded.fell_back is not None:
        yield Warned(time=time.time(), code="fell-back", message=f"{loaded.fell_back}; step {loaded.step} can")
    state = loaded.state
    try:
        then = Config.model_validate_json(state["config"])
        if not fork:
            _refuse_another_experiment(then, prepared.config)
        prepared.learner.restore(
            state["learner"], other_options=fork, other_optimizer=then.optimizer.name != prepared.config.optimizer.name
        )
        generators.restore(state["generators"], prepared.device)
        for name, value in state["progress"].items():
            setattr(progress, name, value)
        progress.checkpoint = str(loaded.path)
        if fork:
            _replace(progress, prepared, then, state["steps_per_epoch"])
        clock.go_on_from(state["seconds"])
    except CheckpointError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        # Of torch's lines the first is a headline, the second says what is wrong.
        words = " ".join(str(error).splitlines()[:2]).split()
        reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(words)
        raise CheckpointError(
            f"{printable(loaded.path)} is no checkpoint of this experiment and version: {printable(reason)}"
        ) from error
    if fork and prepared.val is not None and _held_out(then) != _held_out(prepared.config):
        message = "images that are held out now may have been trained on before: the accuracy on them says too much"
        yield Warned(time=time.time(), code="trained-on-held-out", message=message)
    if not fork:
        yield from _doubts(state["place"], prepared.place(), prepared)


def _replace(progress: Progress, prepared: Prepared, then: Config, steps_per_epoch: int) -> None:
    """Put ``progress`` at the same place among the images, where steps are now of another size.

    What was best belongs to the other run, and the rate is the configuration's, whatever it was changed to there.
    """
    now = prepared.config
    progress.base_rate = now.optimizer.lr
    progress.best_top1 = progress.best_kept = None
    progress.evaluations_since_best = 0
    progress.extra_top1 = {}
    if (steps_per_epoch, then.training.batch_size) == (prepared.steps_per_epoch, now.training.batch_size):
        return
    whole = progress.epoch - progress.in_epoch
    images = (progress.step - whole * steps_per_epoch) * then.training.batch_size
    made = min(images // now.training.batch_size, prepared.steps_per_epoch)
    progress.step = whole * prepared.steps_per_epoch + made
    progress.evaluated_step = progress.tested_step = -1


def _held_out(config: Config) -> object:
    """Return what decides which images are held out."""
    return config.training.seed, config.data.model_dump(include=HOLDING_OUT)


def _doubts(then: Mapping[str, str], now: Mapping[str, str], prepared: Prepared) -> Iterator[AnyEvent]:
    """Warn of what keeps a resumed training from being exactly the one that was interrupted."""
    reasons = [f"{name} was {was}, is {now.get(name, 'unknown')}" for name, was in then.items() if was != now.get(name)]
    reasons += device.why_not_repeatable(prepared.device)
    if reasons:
        message = f"not exactly what it would have been: {'; '.join(reasons)}"
        yield Warned(time=time.time(), code="not-exactly-resumed", message=message)


def _state(prepared: Prepared, progress: Progress, clock: Clock) -> dict[str, Any]:
    done = asdict(progress)
    del done["checkpoint"]  # its own file's name cannot be in it
    return {
        "config": prepared.config.model_dump_json(),
        "progress": done,
        "steps_per_epoch": prepared.steps_per_epoch,
        "seconds": clock.spent(),
        "learner": prepared.learner.state(),
        "generators": generators.states(prepared.device),
        "place": prepared.place(),
    }


def _refuse_another_experiment(then: Config, now: Config) -> None:
    """Raise CheckpointError if the two would not make the same steps."""
    before, after = _deciding(then), _deciding(now)
    differing = [key for key in before if before[key] != after.get(key)]
    if differing:
        raise CheckpointError(
            f"the checkpoint is of another experiment: {', '.join(differing)} differ; give the configuration it had"
        )


def _deciding(config: Config) -> Mapping[str, object]:
    """The values, by dotted key, that decide the steps of a training."""
    tree: dict[str, dict[str, object]] = config.model_dump(exclude={"name", "description"})
    free = {f"data.{key}" for key in FREE_IN_DATA} | {f"training.{key}" for key in FREE_IN_TRAINING}
    free |= {f"model.{key}" for key in FREE_IN_MODEL}
    flat = {f"{section}.{key}": value for section, values in tree.items() for key, value in values.items()}
    if config.model.weights_path is not None:
        flat["model.weights"] = None  # wherever they were read from; a library's also say how images are normalised
    return {key: value for key, value in flat.items() if key not in free}
