"""The configuration of one experiment: a frozen, strict tree, the same whether it comes from TOML or Python.

Nothing here imports torch, so that a wrong key is told at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Rgb = Annotated[tuple[float, float, float], Field(strict=False)]


class Section(BaseModel):
    """Frozen and strict: an unknown key, a wrong type, NaN and infinity are all errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Model(Section):
    """The network."""

    name: Literal["lenet-notes", "lenet-notes-bn", "conv3-notes", "resnet18"] = "lenet-notes"
    """Which network."""
    init: Literal["default", "kaiming", "xavier"] = "default"
    """How convolution and linear weights start: as PyTorch does, Kaiming normal or Xavier uniform."""
    dropout: Annotated[tuple[Share, ...], Field(strict=False, max_length=3)] = ()
    """conv3-notes only: the share of inputs that each of the three linear layers drops, first layer first."""

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> Model:
        if self.dropout and self.name != "conv3-notes":
            raise ValueError(f"dropout: {self.name} has none; conv3-notes has")
        return self


class Data(Section):
    """The images."""

    kind: Literal["cifar10", "cifar100", "folder", "listing", "synthetic"] = "cifar10"
    """The official data sets; train/CLASS/image and test/CLASS/image; lists of "path label" lines; or drawn."""
    root: Annotated[str, Field(min_length=1)] | None = None
    """The folder that holds them; by default $CIFAR_TUI_DATA, else the user's data folder."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only the first N training images, each class keeping its share."""
    validation: Share = 0.0
    """Share of the training images held out, drawn by ``training.seed``."""
    verify: bool = True
    """Refuse CIFAR files whose checksums differ from the official ones (re-encoded images, say)."""
    mirrors: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://[^/]")], ...], Field(strict=False)] = ()
    """Addresses of folders that hold the official archives, tried before the built-in ones."""
    train_list: Annotated[str, Field(min_length=1)] = "train.txt"
    """listing only: the training list, below ``root``."""
    test_list: Annotated[str, Field(min_length=1)] = "test.txt"
    """listing only: the test list, below ``root``."""

    @model_validator(mode="after")
    def _own_images_have_a_root(self) -> Data:
        if self.kind in ("folder", "listing") and self.root is None:
            raise ValueError(f"root: must name the folder of the images when kind is {self.kind}")
        return self


class Augment(Section):
    """What is done to images on the device; each random choice is drawn anew for each image."""

    mean: Rgb | None = None
    """Subtracted from each channel of images scaled to 0..1; by default the training images' own mean."""
    std: Rgb | None = None
    """Then divided by; by default the training images' own standard deviation."""
    flip: Literal["none", "random", "alternating"] = "none"
    """Mirror left-right: half of the images at random; or at random in epoch 1, then every image each second epoch."""
    crop: Annotated[int, Field(ge=0, le=16)] = 0
    """Pad each side by this many pixels, then cut a random window of the original size."""
    padding: Literal["zero", "reflect"] = "zero"
    """What the crop pads with: black, or the mirrored edge."""
    cutout: Annotated[int, Field(ge=0, le=32)] = 0
    """Side in pixels of a random square set to the mean colour (it may stand over the edge); 0 for none."""

    @model_validator(mode="after")
    def _std_divides(self) -> Augment:
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std: every channel's must be greater than 0")
        return self


class Sgd(Section):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    lr: Positive = 0.1
    """Base learning rate, multiplied by the schedule."""
    momentum: Share = 0.9
    """Share of the last update's direction that goes on into this one."""
    nesterov: bool = False
    """Look ahead by the momentum before the gradient is added."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """L2 penalty, added to the gradient."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: needs a momentum above 0")
        return self


class Adam(Section):
    """Adam."""

    name: Literal["adam"] = "adam"
    lr: Positive = 0.001
    """Base learning rate, multiplied by the schedule."""
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = (0.9, 0.999)
    """Of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that no division is by 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """L2 penalty, added to the gradient."""


class AdamW(Section):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"] = "adamw"
    lr: Positive = 0.001
    """Base learning rate, multiplied by the schedule."""
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = (0.9, 0.999)
    """Of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that no division is by 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Share of the weights taken off in each step, times the learning rate."""


class Schedule(Section):
    """What every schedule has."""

    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
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


class Training(Section):
    """The loop."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Passes over the training images."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many optimizer steps even if epochs are left; the schedule spans the steps that are made."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 128
    """Images in one optimizer step."""
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


class Config(Section):
    """One experiment, whole."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "unnamed"
    """What the experiment is called."""
    description: str = ""
    """One line for lists."""
    model: Model = Model()
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Annotated[Sgd | Adam | AdamW, Field(discriminator="name")] = Sgd()
    schedule: Annotated[Constant | Step | MultiStep | Cosine | OneCycle, Field(discriminator="name")] = Constant()
    training: Training = Training()

    @model_validator(mode="after")
    def _patience_has_images_to_judge_by(self) -> Config:
        if self.training.patience is not None and not self.data.validation:
            raise ValueError(
                "training.patience: needs data.validation above 0, since test images take part in no choice"
            )
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
