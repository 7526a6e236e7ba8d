"""What a training reports: one closed set of small frozen records, each of them one line of JSON.

Events are the contract between the rooms. Figures that are not finite numbers are ``None``, because
JSON has no other word for them; so an event read back from a file equals the one that was written.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Split = Literal["train", "val", "test", "extra"]
"""An extra test set is never called ``test``: its accuracy is that of other images."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What all events share."""

    time: float
    """Seconds since 1970-01-01 UTC."""


class Preparing(Event, frozen=True, kw_only=True, tag=True):
    """Work before the first step went a little further; comes before ``RunStarted``."""

    phase: Literal["download", "verify", "decode", "measure"]
    """What is being done."""
    subject: str
    """To what: a file's or a folder's name."""
    done: int = 0
    total: int | None = None
    """How much of it, in ``unit``; None when unknown."""
    unit: Literal["B", "images", ""] = ""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Some names of tensors: how many they are, and the first of them."""

    count: int
    first: tuple[str, ...]
    """At most 50, so that a line stays short; of one with another shape, both shapes follow."""


class WeightsLoaded(Event, frozen=True, kw_only=True, tag=True):
    """The network starts from weights of another training; comes before ``RunStarted``."""

    source: str
    """What they are called, or the file that they are of."""
    loaded: int
    """Tensors of the network that were taken from them."""
    skipped: Names
    """Of theirs that the network has no use for."""
    mismatched: Names
    """Of both, but of other shapes; the network keeps its own."""
    missing: Names
    """Of the network alone, which start as they would have without."""


class RunStarted(Event, frozen=True, kw_only=True, tag=True):
    """Everything is ready and the first step comes next."""

    run_id: str
    experiment: str
    model: str
    parameters: int
    """Trainable parameters."""
    multiply_adds: int
    """Of one image's forward pass."""
    device: str
    threads: int
    """CPU threads that torch uses; part of what an exact repeat needs."""
    train_images: int
    val_images: int
    test_images: int
    classes: tuple[str, ...]
    epochs: int
    batch_size: int
    steps_per_epoch: int
    total_steps: int
    resumed_from_step: int = 0
    resumed_from_checkpoint: int = 0
    """The number of the ``CheckpointStarted`` that all before it belongs to; 0 where nothing came before."""
    checkpoint: str | None = None
    """The file of that checkpoint."""
    not_repeatable: tuple[str, ...] = ()
    """Sentences saying what makes a bit-exact repeat impossible; empty when nothing does."""


class StepCompleted(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """One optimizer step; there is exactly one of these for every step, in order."""

    epoch: int
    step: int
    loss: float | None
    """Mean over the batch, weights of before the step; None when it is not finite."""
    accuracy: float
    """Share of the batch that was classified correctly, 0 to 1."""
    learning_rate: float
    """That the step was made with; with several parameter groups, the first one's."""
    gradient_norm: float | None = None
    """Before clipping; None unless asked for, or when it is not finite."""


class EpochCompleted(Event, frozen=True, kw_only=True, tag=True):
    """One pass over the training images is done."""

    epoch: int
    step: int
    loss: float | None
    """Mean over the epoch's images."""
    accuracy: float
    training_seconds: float
    evaluation_seconds: float
    data_seconds: float
    """Spent preparing batches."""
    images_per_second: float | None
    """Training images for each second of training and data time, warm-up left out; None if all was warm-up."""


class Evaluated(Event, frozen=True, kw_only=True, tag=True):
    """The model was evaluated on images that it is not trained on."""

    epoch: int
    step: int
    split: Split
    extra_test: str | None = None
    """The name of the extra test set; None unless ``split`` is extra."""
    loss: float | None
    top1: float
    top5: float
    """Shares, 0 to 1."""
    class_correct: tuple[int, ...]
    class_total: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    """``confusion[label][prediction]`` counts images."""
    best: bool = False
    """Highest top-1 so far; only ever true for ``val``, since the test set takes no part in a choice."""
    seconds: float


class GpuSample(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU at one moment; a figure that its driver does not tell is None."""

    index: int
    name: str
    utilisation: float | None = None
    """Share, 0 to 1."""
    memory_used: int | None = None
    memory_total: int | None = None
    """Bytes."""
    power: float | None = None
    """Watts."""
    temperature: float | None = None
    """Degrees Celsius."""


class CheckpointStarted(Event, frozen=True, kw_only=True, tag=True):
    """The state after ``step`` is about to be saved: all that happened up to here, and nothing later, is in it.

    It is saved only after whoever takes the events has asked for the next one.
    """

    epoch: int
    step: int
    number: int
    """Counted from 1 over the whole training, those before an interruption included."""


class CheckpointSaved(Event, frozen=True, kw_only=True, tag=True):
    """The state after ``step`` is safe on disk, as the last checkpoint and perhaps as the best."""

    epoch: int
    step: int
    best: bool
    path: str
    """Of the file that holds it."""
    bytes: int
    seconds: float
    """That the training stood still for it."""


class SystemSampled(Event, frozen=True, kw_only=True, tag=True):
    """How busy the machine is."""

    gpus: tuple[GpuSample, ...] = ()
    process_cpu: float | None = None
    """CPU seconds for each second, of this process: 2.0 keeps two cores busy."""
    host_cpu: float | None = None
    """Share of all cores, 0 to 1."""
    process_memory: int | None = None
    host_memory_used: int | None = None
    host_memory_total: int | None = None
    """Bytes."""


class Paused(Event, frozen=True, kw_only=True, tag=True):
    """The engine waits before its next step."""

    epoch: int
    step: int


class Resumed(Event, frozen=True, kw_only=True, tag=True):
    """The engine goes on."""

    epoch: int
    step: int


class LearningRateChanged(Event, frozen=True, kw_only=True, tag=True):
    """Steps after this one use a new base learning rate."""

    epoch: int
    step: int
    learning_rate: float


class Warned(Event, frozen=True, kw_only=True, tag=True):
    """Something that the user should know and that does not stop the training."""

    code: Literal[
        "cache-not-written",
        "checkpoint-not-saved",
        "fell-back",
        "not-exactly-resumed",
        "trained-on-held-out",
        "history-incomplete",
    ]
    message: str


class RunFinished(Event, frozen=True, kw_only=True, tag=True):
    """The last event of every training."""

    reason: Literal["completed", "stopped", "diverged", "failed"]
    epoch: int
    step: int
    early: bool = False
    """Whether ``training.patience`` was at its end, and so the training complete before its last step."""
    checkpoint: str | None = None
    """The file of the last checkpoint, which training can go on from; None where there is none."""
    best_top1: float | None = None
    """Highest on the validation images; None where there are none."""
    final_top1: float | None = None
    """The last evaluation's on the test images; None where none was made."""
    extra_top1: dict[str, float] = {}
    """By name, on each extra test set, after the last step; empty before."""
    final_loss: float | None = None
    """Mean training loss of the last whole epoch."""
    training_seconds: float
    evaluation_seconds: float
    data_seconds: float
    paused_seconds: float
    error: str | None = None
    """One sentence, where the reason is diverged or failed."""


AnyEvent = (
    Preparing
    | WeightsLoaded
    | RunStarted
    | StepCompleted
    | EpochCompleted
    | Evaluated
    | CheckpointStarted
    | CheckpointSaved
    | SystemSampled
    | Paused
    | Resumed
    | LearningRateChanged
    | Warned
    | RunFinished
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def to_json(event: AnyEvent) -> bytes:
    """Return the event as one line of UTF-8 JSON, without the line feed."""
    return _encoder.encode(event)


def from_json(line: bytes | str) -> AnyEvent:
    """Return the event that ``line`` holds.

    Raises:
        ValueError: if the line is no event of this version (msgspec's errors are ValueErrors).
    """
    return _decoder.decode(line)
