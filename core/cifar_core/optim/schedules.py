"""Learning-rate schedules as pure functions of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from cifar_core.config import AnySchedule, Constant, Cosine, Linear, MultiStep, OneCycle, Step


def factor(
    schedule: AnySchedule, step: int, *, total_steps: int, steps_per_epoch: int, epochs: float | None = None
) -> float:
    """Return what the base learning rate is multiplied by for one step, 0 to 1.

    Numbers of epochs are taken to the nearest whole step. The warm-up's ``warm`` steps rise linearly, the
    step counted ``step`` having ``(step + 1) / warm`` of the value that the schedule proper then starts at;
    so the first step already learns. "linear", "cosine" and "onecycle" span the steps after the warm-up; "step"
    and "multistep" count epochs from the start of the training.

    Args:
        schedule: Which, and its figures.
        step: Counted from 0; one beyond the last has the last value of the schedule's curve.
        total_steps: Of the training, at least 1.
        steps_per_epoch: At least 1.
        epochs: Of parameters that are trained in the first epochs only: the schedule spans these, and then comes 0.
    """
    if epochs is not None:
        total_steps = min(total_steps, _steps(epochs, steps_per_epoch))
        if step >= total_steps:
            return 0.0
    warm = _steps(schedule.warmup_epochs, steps_per_epoch)
    if step < warm:
        rise = (step + 1) / warm
        return rise * _proper(schedule, warm, warm, total_steps, steps_per_epoch)
    return _proper(schedule, step, warm, total_steps, steps_per_epoch)


def _proper(schedule: AnySchedule, step: int, warm: int, total_steps: int, steps_per_epoch: int) -> float:
    """Return the factor without the warm-up, for a step that is not before its end."""
    # A warm-up as long as the training leaves no steps: then only the curve's first value is asked for.
    span = max(1, total_steps - warm)
    position = min(step - warm, span)
    match schedule:
        case Constant():
            return 1.0
        case Step():
            period = max(1, _steps(schedule.every, steps_per_epoch))
            return float(schedule.factor ** (step // period))
        case MultiStep():
            passed = sum(step >= _steps(milestone, steps_per_epoch) for milestone in schedule.milestones)
            return float(schedule.factor**passed)
        case Linear():
            return 1 + (schedule.final - 1) * position / span
        case Cosine():
            # Loshchilov and Hutter, arXiv 1608.03983, equation 5 without restarts.
            return _cosine(1.0, schedule.final, position / span)
        case OneCycle():
            return _onecycle(schedule, position, span)


def _onecycle(schedule: OneCycle, position: int, span: int) -> float:
    """Return the factor at ``position`` of ``span`` steps: the last one has ``final``, ``rise`` of them go up.

    These are the turning points of ``torch.optim.lr_scheduler.OneCycleLR``; the peak may lie between
    two steps. Where the rise is no longer than one step, the first step is the peak.
    """
    peak = max(0.0, schedule.rise * span - 1)
    if position < peak:
        return _cosine(schedule.start, 1.0, position / peak)
    fall = span - 1 - peak
    return _cosine(1.0, schedule.final, min(1.0, (position - peak) / fall)) if fall > 0 else 1.0


def _cosine(first: float, last: float, share: float) -> float:
    """Return the value at ``share`` of half a cosine from ``first`` to ``last``."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _steps(epochs: float, steps_per_epoch: int) -> int:
    """Return the whole number of steps nearest to so many epochs; bounded, as their product may overflow."""
    return round(min(epochs * steps_per_epoch, 2.0**53))
