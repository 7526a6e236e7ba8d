"""How good a model is on images that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cifar_core.augment.views import averaged
from cifar_core.config.augment import TestTime
from cifar_core.losses import Loss


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation."""

    loss: float
    """Mean over the images; not finite if a logit is not."""
    top1: float
    """Share of the images whose label has the highest logit, 0 to 1."""
    top5: float
    """Share of the images whose label is among the five highest; of all classes where there are fewer."""
    class_correct: tuple[int, ...]
    class_total: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    """``confusion[label][prediction]`` counts images."""


def evaluate(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    normalise: Callable[[Tensor], Tensor],
    loss: Loss,
    classes: int,
    batch_size: int,
    test_time: TestTime = "none",
    should_stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Return the model's figures on these images, or None if ``should_stop`` said so between two batches.

    The model is put in evaluation mode meanwhile; afterwards each of its modules is in the mode it had.
    Results stay on the device until the last batch, so that no batch waits for another. Inside
    ``torch.autocast`` the forward passes compute as that says.

    Args:
        model: Maps float N x 3 x 32 x 32 to logits N x classes.
        images: uint8 of shape (N, 3, 32, 32), on the model's device.
        labels: int64 of shape (N,), each below ``classes``, on the same device.
        normalise: Maps uint8 images to what the model takes.
        loss: Maps float32 logits and labels to the mean loss.
        classes: How many there are.
        batch_size: Images in one forward pass.
        test_time: The views of each image whose logits are averaged; the figures are of these averages.
        should_stop: Asked before each batch.

    Raises:
        ValueError: if there are no images.
    """
    if len(images) == 0:
        raise ValueError("there are no images to evaluate")
    losses, sizes, predictions, hits = [], [], [], []
    with _evaluation_mode(model), torch.inference_mode():
        for batch, answers in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            if should_stop():
                return None
            logits = averaged(batch, test_time, lambda view: model(normalise(view)).float())
            losses.append(loss(logits, answers))
            sizes.append(len(batch))
            # The first of the five is the prediction: with ties, too, top-5 is never below top-1.
            highest = logits.topk(min(5, classes)).indices
            predictions.append(highest[:, 0])
            hits.append((highest == answers[:, None]).any(1))
        pairs = torch.bincount(labels * classes + torch.cat(predictions), minlength=classes * classes)
        confusion = pairs.view(classes, classes).tolist()
        mean_loss = sum(each * size for each, size in zip(torch.stack(losses).tolist(), sizes, strict=True)) / sum(
            sizes
        )
        top5 = int(torch.cat(hits).sum()) / len(images)
    class_correct = tuple(row[label] for label, row in enumerate(confusion))
    return Evaluation(
        loss=mean_loss,
        top1=sum(class_correct) / len(images),
        top5=top5,
        class_correct=class_correct,
        class_total=tuple(map(sum, confusion)),
        confusion=tuple(map(tuple, confusion)),
    )


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        # One by one: a part that was frozen in evaluation mode stays so.
        for module, training in modes:
            module.training = training
