"""The loop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_core.config.section import Positive, Section, Share


class Training(Section):
    """The loop."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Passes over the training images."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many optimizer steps even if epochs are left; the schedule spans the steps that are made."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 128
    """Images in one optimizer step."""
    drop_last: bool = False
    """Leave out the last batch of an epoch where it is smaller than the others."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Parts that each batch is worked through in, to fit in memory; batch normalisation then sees a part at a time."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """All that is random is derived from it: weights, order, augmentation, images held out."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:(0|[1-9]\d{0,2})|mps)$")] = "auto"
    """auto, cpu, cuda, cuda:N or mps; auto takes the first GPU there is, else the CPU."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the forward and backward pass; weights stay in fp32, and fp16 scales its loss."""
    channels_last: bool = False
    """Keep images and convolution weights channel by channel in memory: faster on most GPUs."""
    loss: Literal["cross_entropy", "nll", "mse"] = "cross_entropy"
    """Cross-entropy of the logits; its two halves (log-softmax, then NLL); or mean squared error to one-hot."""
    label_smoothing: Share = 0.0
    """cross_entropy only."""
    average: Literal["none", "ema", "swa"] = "none"
    """Evaluate and keep averaged weights: an exponential mean of each step's; or the mean of the last epochs'."""
    ema_decay: Share = 0.999
    """ema only: share of the mean that stays at each step; at the n-th one at most (n - 1) / (n + 8)."""
    swa_from: Share = 0.75
    """swa only: share of the training after which the weights of each epoch's end, and the last, are averaged."""
    clip_norm: Positive | None = None
    """Scale gradients down to this total norm."""
    gradient_norm: bool = False
    """Report the gradients' norm with every step."""
    evaluate_every: Annotated[int, Field(ge=1)] | None = None
    """Evaluate after every N steps rather than after each epoch."""
    checkpoint_every: Annotated[int, Field(ge=0)] | None = None
    """Epochs between two checkpoints, 0 for none; by default 1 as long as saving takes less than 1 % of the time."""
    checkpoint_minutes: Positive = 10.0
    """Also save when so many minutes have passed since the last checkpoint, wherever the training is."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """End after this many evaluations in a row without a better accuracy on the validation images."""
    deterministic: bool = False
    """Only use kernels on a GPU that repeat to the last bit: slower; those on a CPU always do."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """CPU threads of torch; by default as many as it takes by itself. Very small steps want 1."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Training:
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(f"label_smoothing: only cross_entropy has it, loss is {self.loss}")
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate: {self.accumulate} parts cannot be made of a batch_size of {self.batch_size}")
        return self
