"""The optimizers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_core.config.patterns import split_number
from cifar_core.config.section import NotNegative, Positive, Section, Share, Texts

Betas = Annotated[tuple[Share, Share], Field(strict=False)]


class Optimizer(Section):
    """What every optimizer has."""

    lr: Positive
    """Base learning rate, multiplied by the schedule."""
    decayed: Literal["all", "weights"] = "all"
    """What weight decay acts on: every parameter; or no biases, normalisation and position embeddings."""
    lr_factors: Texts = ()
    """Other base rates by pattern of parameter names, as "head.* = 10"; the first that fits counts."""
    lr_epochs: Texts = ()
    """Parameters that are trained in the first epochs only, as "whiten.bias = 3"; the schedule spans these."""
    lookahead: Annotated[int, Field(ge=0)] = 0
    """After so many steps, go back half of the way that they went (Zhang et al., arXiv 1907.08610); 0 for not."""
    sam: NotNegative = 0.0
    """Take gradients at the worst point within this distance (SAM, Foret et al., arXiv 2010.01412); 0 for not."""

    @model_validator(mode="after")
    def _patterns_have_numbers(self) -> Optimizer:
        for key in ("lr_factors", "lr_epochs"):
            for text in getattr(self, key):
                try:
                    split_number(text)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
        return self


class Sgd(Optimizer):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    lr: Positive = 0.1
    """Base learning rate, multiplied by the schedule."""
    momentum: Share = 0.9
    """Share of the last update's direction that goes on into this one."""
    nesterov: bool = False
    """Look ahead by the momentum before the gradient is added."""
    weight_decay: NotNegative = 0.0
    """L2 penalty, added to the gradient."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: needs a momentum above 0")
        return self


class Adam(Optimizer):
    """Adam."""

    name: Literal["adam"] = "adam"
    lr: Positive = 0.001
    """Base learning rate, multiplied by the schedule."""
    betas: Betas = (0.9, 0.999)
    """Of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that no division is by 0."""
    weight_decay: NotNegative = 0.0
    """L2 penalty, added to the gradient."""


class AdamW(Optimizer):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"] = "adamw"
    lr: Positive = 0.001
    """Base learning rate, multiplied by the schedule."""
    betas: Betas = (0.9, 0.999)
    """Of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that no division is by 0."""
    weight_decay: NotNegative = 0.01
    """Share of the weights taken off in each step, times the learning rate."""


class Lion(Optimizer):
    """Steps of one size by the sign of a momentum (Chen et al., arXiv 2302.06675)."""

    name: Literal["lion"] = "lion"
    lr: Positive = 0.0001
    """Base learning rate, multiplied by the schedule; a third to a tenth of AdamW's."""
    betas: Betas = (0.9, 0.99)
    """Share of the momentum in a step's direction, and what is left of it after one."""
    weight_decay: NotNegative = 0.01
    """Share of the weights taken off in each step, times the learning rate."""


class Muon(Optimizer):
    """Orthogonal steps for convolutions and matrices (Jordan et al., 2024), and SGD with momentum for the rest."""

    name: Literal["muon"] = "muon"
    lr: Positive = 0.02
    """Base learning rate of what is orthogonalised, multiplied by the schedule."""
    momentum: Share = 0.95
    """Share of the last update's direction that goes on into this one."""
    nesterov: bool = True
    """Look ahead by the momentum before the gradient is added."""
    newton_schulz: Annotated[int, Field(ge=1, le=20)] = 5
    """Steps of the iteration that orthogonalises."""
    weight_decay: NotNegative = 0.0
    """Share of what is orthogonalised taken off in each step, times the learning rate."""
    rescaled: bool = False
    """Before each step, scale what is orthogonalised to a norm of the root of its outputs."""
    rest: Texts = ()
    """Patterns of more to train by SGD than the last matrix, which classifies, biases, normalisation and embeddings."""
    rest_lr: Positive = 0.05
    """Base learning rate of the rest, multiplied by the schedule."""
    rest_momentum: Share = 0.9
    """Share of the last update's direction that goes on into this one, for the rest."""
    rest_decay: NotNegative = 0.0
    """Share of the rest taken off in each step at its base learning rate, whatever that is."""


class ScheduleFreeAdamW(Optimizer):
    """AdamW that averages its steps rather than lower its rate (Defazio et al., arXiv 2405.15682)."""

    name: Literal["schedule-free-adamw"] = "schedule-free-adamw"
    lr: Positive = 0.0025
    """Base learning rate; the schedule is constant, with or without warm-up."""
    betas: Betas = (0.9, 0.999)
    """Share of the average in the point where gradients are taken; of the running mean of their squares."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that no division is by 0."""
    weight_decay: NotNegative = 0.0
    """Share of the weights taken off in each step, times the learning rate."""

    @model_validator(mode="after")
    def _averages_by_itself(self) -> ScheduleFreeAdamW:
        if self.betas[0] == 0:
            raise ValueError("betas: the first must be above 0, or nothing would be averaged")
        if self.lookahead:
            raise ValueError("lookahead: schedule-free-adamw averages its weights already")
        return self


AnyOptimizer = Sgd | Adam | AdamW | Lion | Muon | ScheduleFreeAdamW
