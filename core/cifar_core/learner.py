"""A model with all that one update of its weights needs."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import torch
from torch import Tensor, nn

from cifar_core import losses
from cifar_core.config import Config
from cifar_core.models import registry as models
from cifar_core.optim import registry as optimizers
from cifar_core.randomness import derived_seed

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# torch's generators belong to the process: two trainings that start at once must not share draws.
_drawing_weights = threading.Lock()


class Learner:
    """The model, its loss, its optimizer and the numeric precision they work in."""

    def __init__(self, config: Config, classes: int, device: torch.device) -> None:
        training = config.training
        self.device = device
        self.memory_format = torch.channels_last if training.channels_last else torch.contiguous_format
        with _drawing_weights:
            torch.manual_seed(derived_seed(training.seed, "weights"))
            model = models.build(config.model, classes)
        self.model = model.to(device).to(memory_format=self.memory_format)
        self.loss = losses.build(training, classes)
        self.optimizer = optimizers.build(config.optimizer, self.model)
        self._parts = training.accumulate
        self._clip_norm = training.clip_norm
        self._wants_norm = training.gradient_norm
        self._dtype = DTYPES[training.precision]
        self._scaler = torch.amp.GradScaler(device.type, enabled=training.precision == "fp16")

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """The context that forward passes run in."""
        if self._dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self._dtype)

    def set_learning_rate(self, rate: float) -> None:
        """Make ``rate`` the learning rate of every parameter from the next update on."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def state(self) -> dict[str, Any]:
        """Everything of it that a checkpoint holds; tensors are those of the model, not copies."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def is_finite(self) -> bool:
        """Whether every weight and statistic of the model is a finite number. Waits for the device."""
        values = [v for v in self.model.state_dict().values() if v.is_floating_point()]
        return bool(torch.stack([torch.isfinite(v).all() for v in values]).all())

    def restore(self, state: dict[str, Any], *, other_options: bool = False, other_optimizer: bool = False) -> None:
        """Make it what it was when ``state`` was taken.

        Args:
            state: What ``state`` returned.
            other_options: Keep the options that the optimizer has now, rather than take those it had.
            other_optimizer: It was of another kind, and what it remembered is of no use.

        Raises:
            RuntimeError, ValueError: It is of another model or optimizer.
        """
        self.model.load_state_dict(state["model"])
        if not other_optimizer:
            optimizer = dict(state["optimizer"])
            if other_options:
                now = self.optimizer.state_dict()["param_groups"]
                optimizer["param_groups"] = now
            self.optimizer.load_state_dict(optimizer)
        # A scaler that is switched off has no state, and takes none.
        if state["scaler"] and self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])

    def update(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Make one optimizer step on a batch.

        Args:
            images: float32 N x 3 x 32 x 32, normalised.
            labels: int64 N.

        Returns:
            The batch's mean loss (scalar), its logits (N x classes), both of before the step, and the
            gradient's norm before clipping (scalar) if asked for; all detached, all still on the device.
        """
        self.optimizer.zero_grad(set_to_none=True)
        if self._parts == 1:
            loss, logits = self._backward(images, labels, 1.0)
        else:
            loss, logits = self._backward_in_parts(images, labels)
        norm = self._clip()
        self._scaler.step(self.optimizer)
        self._scaler.update()
        return loss, logits, norm

    def _backward(self, images: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Add the gradient of ``share`` times the mean loss; return that loss and the logits."""
        with self.autocast():
            logits = self.model(images)
            loss = self.loss(logits, labels)
            if share != 1.0:
                loss = loss * share
        self._scaler.scale(loss).backward()
        return loss.detach(), logits.detach()

    def _backward_in_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The same for a whole batch, with only a part of it in memory at a time."""
        parts = zip(images.chunk(self._parts), labels.chunk(self._parts), strict=True)
        done = [self._backward(some, of_them, len(some) / len(images)) for some, of_them in parts]
        losses, logits = zip(*done, strict=True)
        return torch.stack(losses).sum(), torch.cat(logits)

    def _clip(self) -> Tensor | None:
        if self._clip_norm is None and not self._wants_norm:
            return None
        self._scaler.unscale_(self.optimizer)
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self._clip_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self._clip_norm, norm)
        return norm
