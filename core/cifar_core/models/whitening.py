"""A first layer that whitens: its filters come from the training images (Jordan, arXiv 2404.00498, section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import Tensor, nn

IMAGES = 5000
"""How many images the filters come from: so many say all that there is to know of patches of 2 x 2 pixels."""

EPSILON = 5e-4
"""Added to the variance along each direction, so that one of hardly any is not blown up to noise."""

_AT_ONCE = 500
"""Images: their patches take 46 MB."""


def needs_whitening(model: nn.Module) -> bool:
    """Whether the model has a layer ``whiten`` whose filters are yet to come from the training images."""
    return isinstance(getattr(model, "whiten", None), nn.Conv2d)


def whiten(model: nn.Module, images: Tensor) -> None:
    """Set the weight of the model's layer ``whiten``, in place; its bias stays.

    The first half of the filters are the eigenvectors of the patches' second moments, divided by the root of
    eigenvalue + ``EPSILON``, in rising order; the other half are their negatives. So over the patches of these
    images, which have no mean, the outputs of the first half are not correlated, and have the variance 1, or less
    where the eigenvalue v is small: v / (v + ``EPSILON``). Eigenvectors have no sign: each gets the one that makes
    its largest element positive, so that machines agree.

    Args:
        model: On any device.
        images: float32 of shape (N, 3, 32, 32), normalised, on any device; ``IMAGES`` of the training.
    """
    layer = model.get_submodule("whiten")
    weight = layer.get_parameter("weight")
    variances, directions = torch.linalg.eigh(_second_moments(images, weight.shape[-1]).cpu())
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    filters = directions * largest.sign() / (variances + EPSILON).sqrt()
    filters = filters.T.reshape(-1, *weight.shape[1:])
    with torch.no_grad():
        weight.copy_(torch.cat((filters, -filters)))


def _second_moments(images: Tensor, side: int) -> Tensor:
    """Return the mean of ``patch * patch.T`` over all patches of side x side pixels: float64, symmetric."""
    if images.device.type == "mps":  # which has no float64
        images = images.cpu()
    per_image = []
    for some in images.split(_AT_ONCE):
        patches = F.unfold(some.double(), side)
        per_image.append(patches @ patches.mT / patches.shape[2])
    return torch.cat(per_image).mean(0)
