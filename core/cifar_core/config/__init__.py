"""The configuration of one experiment: a frozen, strict tree, the same whether it comes from TOML or Python.

Nothing here imports torch, so that a wrong key is told at once.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cifar_core.config.augment import Augment
from cifar_core.config.data import Data
from cifar_core.config.model import Model
from cifar_core.config.optimizer import Adam, AdamW, AnyOptimizer, Lion, Muon, Optimizer, ScheduleFreeAdamW, Sgd
from cifar_core.config.schedule import AnySchedule, Constant, Cosine, Linear, MultiStep, OneCycle, Schedule, Step
from cifar_core.config.section import Section
from cifar_core.config.training import Training

__all__ = [
    "Adam",
    "AdamW",
    "AnyOptimizer",
    "AnySchedule",
    "Augment",
    "Config",
    "Constant",
    "Cosine",
    "Data",
    "Linear",
    "Lion",
    "Model",
    "MultiStep",
    "Muon",
    "OneCycle",
    "Optimizer",
    "Schedule",
    "ScheduleFreeAdamW",
    "Section",
    "Sgd",
    "Step",
    "Training",
]


class Config(Section):
    """One experiment, whole."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "unnamed"
    """What the experiment is called."""
    description: str = ""
    """One line for lists."""
    model: Model = Model()
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Annotated[AnyOptimizer, Field(discriminator="name")] = Sgd()
    schedule: Annotated[AnySchedule, Field(discriminator="name")] = Constant()
    training: Training = Training()

    @model_validator(mode="after")
    def _patience_has_images_to_judge_by(self) -> Config:
        if self.training.patience is not None and not (self.data.validation or self.data.folds):
            raise ValueError(
                "training.patience: needs data.validation above 0 or data.folds, "
                "since test images take part in no choice"
            )
        return self

    @model_validator(mode="after")
    def _mixed_labels_have_a_loss(self) -> Config:
        if (self.augment.mixup or self.augment.cutmix) and self.training.loss == "nll":
            key = "mixup" if self.augment.mixup else "cutmix"
            raise ValueError(
                f"augment.{key}: mixes labels, which training.loss=nll cannot take; cross_entropy and mse can"
            )
        return self

    @model_validator(mode="after")
    def _the_loader_can_do_it(self) -> Config:
        if self.augment.albumentations is not None and self.data.loader != "workers":
            raise ValueError(
                f"augment.albumentations: data.loader={self.data.loader} cannot do that, data.loader=workers can"
            )
        return self

    @model_validator(mode="after")
    def _schedule_free_has_no_schedule(self) -> Config:
        if self.optimizer.name == "schedule-free-adamw":
            if self.schedule.name != "constant":
                raise ValueError(
                    f"schedule.name: must be constant with {self.optimizer.name}, not {self.schedule.name}"
                )
            if self.training.average != "none":
                raise ValueError(f"training.average: {self.optimizer.name} averages its weights already")
        return self

    @model_validator(mode="after")
    def _the_optimizer_can_scale_its_gradients(self) -> Config:
        # Others would have to wait for the device at each step, to learn whether a gradient was finite.
        if self.training.precision == "fp16" and self.optimizer.name not in ("sgd", "adam", "adamw"):
            raise ValueError(f"training.precision: fp16 takes sgd, adam or adamw; {self.optimizer.name} takes bf16")
        return self

    @model_validator(mode="before")
    @classmethod
    def _optimizer_and_schedule_have_defaults(cls, tree: object) -> object:
        if not isinstance(tree, dict):
            return tree
        filled = dict(tree)
        for section, default in (("optimizer", "sgd"), ("schedule", "constant")):
            if isinstance(filled.get(section), dict):
                filled[section] = {"name": default, **filled[section]}
        return filled
