"""Enlarged images for networks that were made for larger ones."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import Tensor, nn


def upscale(model: nn.Module, side: int) -> None:
    """Have a network enlarge its images (float N x 3 x H x W) to ``side`` x ``side`` before all else; in place.

    It happens on the images' own device, bilinearly, in training as in evaluation. A hook does it rather than a
    module around the network, so that layers and weights keep their names.
    """
    model.register_forward_pre_hook(partial(_enlarged, side=side))


def _enlarged(_: nn.Module, inputs: tuple[Tensor], *, side: int) -> Tensor:
    return F.interpolate(inputs[0], size=(side, side), mode="bilinear", align_corners=False)
