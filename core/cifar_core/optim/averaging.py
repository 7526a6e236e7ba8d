"""Averages of a network's weights, kept beside it and evaluated in its place."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn, optim

from cifar_core.config import Config
from cifar_core.optim import batch_norm


class Average(Protocol):
    """What a ``Learner`` asks of every kind of average, of none too."""

    def after_step(self) -> None:
        """Take note of a step of the optimizer."""

    def after_epoch(self, step: int, total_steps: int) -> None:
        """Take note that an epoch, or the training, ends after ``step`` of ``total_steps``; telling twice is once."""

    def evaluated(self, images: Iterable[Tensor]) -> nn.Module:
        """Return the network to evaluate, which stays this object's own.

        ``images`` are batches of training images as the network takes them in evaluation. They are asked for where
        statistics of batch normalisation have to be made anew.
        """

    def state_dict(self) -> dict[str, Any] | None:
        """Everything of it that a checkpoint holds; tensors are its own, not copies.

        That is ``model``, the averaged network's own ``state_dict``, which counts in place of the trained one's once
        ``count`` is above 0; and what else it needs.
        """

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make it what it was when ``state_dict`` returned ``state``."""


def build(config: Config, model: nn.Module, optimizer: optim.Optimizer) -> Average:
    """Return the average of the model's weights that ``training.average`` or the optimizer asks for."""
    training = config.training
    if config.optimizer.name == "schedule-free-adamw":
        return ScheduleFree(model, optimizer)
    match training.average:
        case "none":
            return Unaveraged(model)
        case "ema":
            return Ema(model, training.ema_decay)
        case "swa":
            return Swa(model, training.swa_from)


class Unaveraged:
    """No average: the weights count as they are."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def after_step(self) -> None:
        """Nothing."""

    def after_epoch(self, step: int, total_steps: int) -> None:
        """Nothing."""

    def evaluated(self, images: Iterable[Tensor]) -> nn.Module:  # noqa: ARG002
        """Return the trained network itself."""
        return self._model

    def state_dict(self) -> None:
        """Nothing."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


class Mean:
    """A second network whose weights, and statistics of batch normalisation, are a mean of the first one's."""

    def __init__(self, trained: nn.Module) -> None:
        self.trained = trained
        self.model = copy.deepcopy(trained).requires_grad_(requires_grad=False)
        self.count = 0
        """Values that are in the mean."""
        self._values, self._newest = _numbers(self.model), _numbers(trained)

    def pull(self, share: float) -> None:
        """Go by ``share`` of the way, above 0 and up to 1, to where the first network is now."""
        torch._foreach_lerp_(self._values, self._newest, share)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """As ``Average`` says."""
        return {"model": self.model.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``Average`` says."""
        self.model.load_state_dict(state["model"])
        self.count = state["count"]


class Ema:
    """The exponential mean over all steps.

    At the n-th value at most (n - 1) / (n + 8) of the mean before it stays, so that a short training is not averaged
    with the weights that it began with; TensorFlow's ``ExponentialMovingAverage`` does so when it is told of steps.

    Args:
        trained: The network that is trained.
        decay: Share of the mean that stays at each step, at least 0 and below 1.
    """

    def __init__(self, trained: nn.Module, decay: float) -> None:
        self._mean = Mean(trained)
        self._decay = decay

    def after_step(self) -> None:
        """Take the weights of this step in."""
        count = self._mean.count
        self._mean.pull(1 - min(self._decay, count / (count + 9)))

    def after_epoch(self, step: int, total_steps: int) -> None:
        """Nothing."""

    def evaluated(self, images: Iterable[Tensor]) -> nn.Module:  # noqa: ARG002, statistics are averaged as weights are
        """Return the mean; before the first step, the trained network."""
        return self._mean.model if self._mean.count else self._mean.trained

    def state_dict(self) -> dict[str, Any]:
        """As ``Average`` says."""
        return self._mean.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``Average`` says."""
        self._mean.load_state_dict(state)


class Swa:
    """The plain mean of the weights that the last epochs end with (Izmailov et al., arXiv 1803.05407, algorithm 1).

    Args:
        trained: The network that is trained.
        begin: Share of the training after which it is taken, at least 0 and below 1.
    """

    def __init__(self, trained: nn.Module, begin: float) -> None:
        self._mean = Mean(trained)
        self._begin = begin
        self._newest_step = 0
        self._renewed = False
        """Whether statistics are those of the mean as it is now."""

    def after_step(self) -> None:
        """Nothing."""

    def after_epoch(self, step: int, total_steps: int) -> None:
        """Take the weights of this epoch's end in, if it is one of the last epochs."""
        if step >= self._begin * total_steps and step > self._newest_step:
            self._mean.pull(1 / (self._mean.count + 1))
            self._newest_step = step
            self._renewed = False

    def evaluated(self, images: Iterable[Tensor]) -> nn.Module:
        """Return the mean; before it begins, the trained network."""
        mean = self._mean
        if not mean.count:
            return mean.trained
        if not self._renewed:
            batch_norm.renew(mean.model, images, like=mean.trained)
            self._renewed = True
        return mean.model

    def state_dict(self) -> dict[str, Any]:
        """As ``Average`` says."""
        return {**self._mean.state_dict(), "step": self._newest_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``Average`` says."""
        self._mean.load_state_dict(state)
        self._newest_step = state["step"]


class ScheduleFree:
    """The average that a schedule-free optimizer keeps itself, as a network of its own.

    While it trains, the weights are those at which gradients are taken. So that an evaluation leaves no trace in
    them, not even by rounding, they are put back after the average was taken.
    """

    def __init__(self, trained: nn.Module, optimizer: optim.Optimizer) -> None:
        self._mean = Mean(trained)
        self._optimizer = cast(_WithModes, optimizer)

    def after_step(self) -> None:
        """Nothing."""

    def after_epoch(self, step: int, total_steps: int) -> None:
        """Nothing."""

    def evaluated(self, images: Iterable[Tensor]) -> nn.Module:
        """Return the average as it is now; before the first step, the trained network."""
        mean, steps = self._mean, self._optimizer.param_groups[0]["k"]
        if not steps:
            return mean.trained
        if steps != mean.count:
            weights = [parameter.detach() for parameter in mean.trained.parameters()]
            before = [weight.clone() for weight in weights]
            self._optimizer.eval()
            mean.pull(1.0)
            self._optimizer.train()
            torch._foreach_copy_(weights, before)
            batch_norm.renew(mean.model, images, like=mean.trained)
            mean.count = steps
        return mean.model

    def state_dict(self) -> dict[str, Any]:
        """As ``Average`` says; ``model`` is that of the newest evaluation."""
        return self._mean.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``Average`` says."""
        self._mean.load_state_dict(state)


class _WithModes(Protocol):
    """What is needed of schedulefree's optimizers."""

    param_groups: list[dict[str, Any]]

    def eval(self) -> None: ...

    def train(self) -> None: ...


def _numbers(model: nn.Module) -> list[Tensor]:
    """Return all floating-point parameters and statistics of a network, in its own memory, each once."""
    # One that several layers share has several names.
    values = {value.data_ptr(): value for value in model.state_dict().values() if value.is_floating_point()}
    return list(values.values())
