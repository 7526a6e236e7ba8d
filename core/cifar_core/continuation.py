"""A training's whole state as plain data, and back: what a checkpoint holds so that training goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from cifar_core import checkpoint
from cifar_core.checkpoint import CheckpointError
from cifar_core.clock import Clock
from cifar_core.config import Config
from cifar_core.epoch import Progress
from cifar_core.errors import printable
from cifar_core.events import AnyEvent, CheckpointSaved, Warned
from cifar_core.preparation import Prepared

# What may differ between a checkpoint and the training that goes on from it, since no step depends on it.
FREE_IN_DATA = {"root", "verify", "mirrors"}
FREE_IN_TRAINING = {"device", "threads", "checkpoint_every", "gradient_norm"}


def save(
    folder: Path | None, prepared: Prepared, progress: Progress, clock: Clock, *, best: bool = False
) -> Iterator[AnyEvent]:
    """Save a checkpoint into ``folder``, if there is one; yield what came of it.

    A checkpoint that cannot be written is warned of: the training is worth more than its copy.
    """
    if folder is None:
        return
    began = time.perf_counter()
    interrupted = clock.enter("preparing")  # time that belongs to no rate
    try:
        saved = checkpoint.save(folder, _state(prepared, progress, clock), step=progress.step, best=best)
    except CheckpointError as error:
        yield Warned(time=time.time(), code="checkpoint-not-saved", message=str(error))
        return
    finally:
        clock.enter(interrupted)
    yield CheckpointSaved(
        time=time.time(),
        epoch=progress.epoch,
        step=progress.step,
        best=best,
        path=str(saved.path),
        bytes=saved.bytes,
        seconds=time.perf_counter() - began,
    )


def resume(folder: Path, prepared: Prepared, progress: Progress, clock: Clock) -> Iterator[AnyEvent]:
    """Make ``prepared``, ``progress`` and ``clock`` what they were at the last usable checkpoint in ``folder``.

    Yields a ``Warned`` for a fall-back to an earlier checkpoint, and for what keeps the rest of the
    training from being exactly what it would have been.

    Raises:
        CheckpointError: There is none that can be used, or it is of another experiment.
    """
    loaded = checkpoint.load(folder)
    if loaded.fell_back is not None:
        yield Warned(time=time.time(), code="fell-back", message=f"{loaded.fell_back}; step {loaded.step} can")
    state = loaded.state
    try:
        _refuse_another_experiment(Config.model_validate_json(state["config"]), prepared.config)
        prepared.learner.restore(state["learner"])
        torch.set_rng_state(state["generators"]["cpu"])
        if prepared.device.type == "cuda" and state["generators"]["cuda"] is not None:
            torch.cuda.set_rng_state(state["generators"]["cuda"], prepared.device)
        for field in fields(Progress):
            setattr(progress, field.name, state["progress"][field.name])
        clock.go_on_from(state["seconds"])
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        first_line, _, _ = str(error).partition("\n")
        raise CheckpointError(
            f"{printable(loaded.path)} is no checkpoint of this experiment and version: {first_line}"
        ) from error
    here = _place(prepared)
    changed = [
        f"{name} was {was}, is {here.get(name)}" for name, was in state["place"].items() if was != here.get(name)
    ]
    if changed or prepared.device.type != "cpu":
        reason = "; ".join(changed) or f"kernels on {prepared.device.type} may add numbers in another order"
        yield Warned(
            time=time.time(), code="not-exactly-resumed", message=f"not exactly what it would have been: {reason}"
        )


def _state(prepared: Prepared, progress: Progress, clock: Clock) -> dict[str, Any]:
    on_gpu = prepared.device.type == "cuda"
    return {
        "config": prepared.config.model_dump_json(),
        "progress": asdict(progress),
        "seconds": clock.spent(),
        "learner": prepared.learner.state(),
        # Order and augmentation are drawn from the seed and the place in the training: these serve dropout.
        "generators": {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(prepared.device) if on_gpu else None,
        },
        "place": _place(prepared),
    }


def _place(prepared: Prepared) -> dict[str, str]:
    """What the last bits of a result depend on besides the configuration."""
    return {
        "torch": str(torch.__version__),
        "device": prepared.device.type,
        "threads": str(torch.get_num_threads()),
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
    flat = {f"{section}.{key}": value for section, values in tree.items() for key, value in values.items()}
    return {key: value for key, value in flat.items() if key not in free}
