"""A model with all that one update of its weights needs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from cifar_core import losses
from cifar_core.config import Config
from cifar_core.models import registry as models
from cifar_core.models.auxiliary import WithAuxiliary
from cifar_core.models.weights import Weights
from cifar_core.optim import averaging
from cifar_core.optim import registry as optimizers
from cifar_core.optim.groups import carried_over
from cifar_core.optim.lookahead import Lookahead
from cifar_core.optim.sam import at_worst_point
from cifar_core.randomness import derived_seed

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# torch's generators belong to the process: two trainings that start at once must not share draws.
_drawing_weights = threading.Lock()


def _constant(_epochs: float | None) -> float:
    return 1.0


class Learner:
    """The model, its loss, its optimizer, the average of its weights and the numeric precision they work in."""

    def __init__(self, config: Config, classes: int, device: torch.device, weights: Weights | None = None) -> None:
        training = config.training
        self.device = device
        self.memory_format = torch.channels_last if training.channels_last else torch.contiguous_format
        with _drawing_weights:
            torch.manual_seed(derived_seed(training.seed, "weights"))
            model = models.build(config.model, classes, weights)
        self.model = model.to(device).to(memory_format=self.memory_format)
        self.loss = losses.build(training, classes)
        self.optimizer = optimizers.build(config.optimizer, self.model)
        self._spans = {group["lr_epochs"] for group in self.optimizer.param_groups} | {None}
        self._sam = config.optimizer.sam
        every, trained = config.optimizer.lookahead, filter(lambda each: each.requires_grad, self.model.parameters())
        self._lookahead = Lookahead(trained, every) if every else None
        self._average = averaging.build(config, self.model, self.optimizer)
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

    def set_learning_rate(self, base: float, schedule: Callable[[float | None], float] = _constant) -> float:
        """Set the learning rate of every parameter from the next update on.

        No gradient is computed any more for parameters that are trained in the first epochs only, after these.

        Args:
            base: The base rate. Each group of parameters has its own share of it.
            schedule: What it is multiplied by; for parameters that are trained in the first epochs only, given their
                number, it is 0 after these.

        Returns:
            The rate of parameters that have no other.
        """
        factors = {epochs: schedule(epochs) for epochs in self._spans}
        for group in self.optimizer.param_groups:
            epochs = group["lr_epochs"]
            group["lr"] = base * group["lr_factor"] * factors[epochs]
            if epochs is not None:
                for parameter in group["params"]:
                    parameter.requires_grad_(factors[epochs] > 0)
        return base * factors[None]

    def after_epoch(self, step: int, total_steps: int) -> None:
        """Take note that an epoch, or the training, ends after ``step`` of ``total_steps``."""
        self._average.after_epoch(step, total_steps)

    def evaluated(self, sample: Iterable[Tensor]) -> nn.Module:
        """Return the model to evaluate: an average of the trained one's weights, if one is kept.

        Args:
            sample: Batches of training images as the model takes them in evaluation, which statistics of batch
                normalisation are made from where those of the average have to be.
        """
        return self._average.evaluated(sample)

    def state(self) -> dict[str, Any]:
        """Everything of it that a checkpoint holds; tensors are those of the model, not copies."""
        return {
            "model": self.model.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "lookahead": self._lookahead.state_dict() if self._lookahead else None,
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
            other_options: Keep the options that the optimizer has now, rather than take those it had; and begin anew
                to average weights and to look ahead.
            other_optimizer: It was of another kind, and what it remembered is of no use.

        Raises:
            RuntimeError, ValueError: It is of another model or optimizer.
        """
        self.model.load_state_dict(state["model"])
        if not other_optimizer:
            then, now = state["optimizer"], self.optimizer.state_dict()
            self.optimizer.load_state_dict(carried_over(then, now) if other_options else then)
        if not other_options:
            self._average.load_state_dict(state["average"])
        if self._lookahead is not None:
            if other_options:
                self._lookahead.restart()
            else:
                self._lookahead.load_state_dict(state["lookahead"])
        # A scaler that is switched off has no state, and takes none.
        if state["scaler"] and self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])

    def update(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Make one optimizer step on a batch.

        Args:
            images: float32 N x 3 x 32 x 32, normalised.
            targets: int64 N, labels; or float32 N x classes, shares.

        Returns:
            The batch's mean loss (scalar), its logits (N x classes), both of before the step, and the
            gradient's norm before clipping (scalar) if asked for; all detached, all still on the device.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss, logits = self._gradient(images, targets)
        if self._sam:
            with at_worst_point(self.model, self._sam):
                self._gradient(images, targets)
        norm = self._clip()
        self._scaler.step(self.optimizer)
        self._scaler.update()
        if self._lookahead is not None:
            self._lookahead.after_step()
        self._average.after_step()
        return loss, logits, norm

    def _gradient(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Add the gradient of the mean loss; return that loss and the logits."""
        if self._parts == 1:
            return self._backward(images, targets, 1.0)
        # The same with only a part of the batch in memory at a time.
        parts = zip(images.chunk(self._parts), targets.chunk(self._parts), strict=True)
        done = [self._backward(some, of_them, len(some) / len(images)) for some, of_them in parts]
        losses, logits = zip(*done, strict=True)
        return torch.stack(losses).sum(), torch.cat(logits)

    def _backward(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Add the gradient of ``share`` times the mean loss; return that loss and the logits."""
        with self.autocast():
            outputs = self.model(images)
            if isinstance(outputs, WithAuxiliary):
                logits, loss = outputs.logits, outputs.loss(self.loss, targets)
            else:
                logits, loss = outputs, self.loss(outputs, targets)
            if share != 1.0:
                loss = loss * share
        self._scaler.scale(loss).backward()
        return loss.detach(), logits.detach()

    def _clip(self) -> Tensor | None:
        if self._clip_norm is None and not self._wants_norm:
            return None
        self._scaler.unscale_(self.optimizer)
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self._clip_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self._clip_norm, norm)
        return norm
