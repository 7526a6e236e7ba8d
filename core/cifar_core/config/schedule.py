"""The learning-rate schedules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cifar_core.config.section import NotNegative, Positive, Section


class Schedule(Section):
    """What every schedule has."""

    warmup_epochs: NotNegative = 0.0
    """Epochs of linear rise from 0 before the schedule proper begins."""


class Constant(Schedule):
    """The base rate throughout."""

    name: Literal["constant"] = "constant"


class Step(Schedule):
    """Multiplied by ``factor`` after every ``every`` epochs."""

    name: Literal["step"] = "step"
    every: Positive
    """Epochs."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1


class MultiStep(Schedule):
    """Multiplied by ``factor`` at each milestone."""

    name: Literal["multistep"] = "multistep"
    milestones: Annotated[tuple[Positive, ...], Field(strict=False, min_length=1)]
    """Epochs, counted from the start of the training."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1


class Linear(Schedule):
    """A straight line from the base rate down to ``final`` of it."""

    name: Literal["linear"] = "linear"
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the base rate that is left at the end."""


class Cosine(Schedule):
    """Half a cosine from the base rate down to ``final`` of it."""

    name: Literal["cosine"] = "cosine"
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the base rate that is left at the end."""


class OneCycle(Schedule):
    """Half a cosine up to the base rate, half a cosine down (Smith and Topin, arXiv 1708.07120)."""

    name: Literal["onecycle"] = "onecycle"
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the steps that go up."""
    start: Annotated[float, Field(ge=0, le=1)] = 0.04
    """Share of the base rate at the start."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.000004
    """Share of the base rate at the end."""


AnySchedule = Constant | Step | MultiStep | Linear | Cosine | OneCycle
