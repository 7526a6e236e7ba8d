"""Noise that layers' inputs are multiplied by in training, its mean 1: dropout and two relatives of it.

All draw from torch's global generator of the input's device, and change nothing in evaluation mode. For a share p
all have the variance p / (1 - p), that of dropout, so that the kinds can be compared at one share.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["dropout", "gaussian", "uniform"]


def noise(kind: Kind, share: float) -> nn.Module:
    """Return the layer of this kind; one that changes nothing where the share is 0.

    Args:
        kind: "dropout" multiplies by 0 with the probability ``share``, else by 1 / (1 - share) (Srivastava et
            al., 2014); "gaussian" by 1 + r, r normal of mean 0 (the same paper, section 10); "uniform" by 1 + r,
            r uniform from -b to b (Uout: Li et al., arXiv 1801.05134, section 5).
        share: p, 0 to below 1. The Uout paper gives b itself; here b = sqrt(3 p / (1 - p)). Its b of 0.1 is the
            share 0.00332, and from p = 0.25 on b is above 1: some inputs change their sign.
    """
    if share == 0:
        return nn.Identity()
    variance = share / (1 - share)
    match kind:
        case "dropout":
            return nn.Dropout(share)
        case "gaussian":
            return Gaussian(variance**0.5)
        case "uniform":
            return Uniform((3 * variance) ** 0.5)


class Gaussian(nn.Module):
    """In training, multiply each input by 1 + r, r normal of mean 0 and this standard deviation."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, features: Tensor) -> Tensor:
        """Map any shape and float dtype to the same."""
        if not self.training:
            return features
        return features * _float32(features).normal_(1, self.deviation).to(features.dtype)

    def extra_repr(self) -> str:
        """What a printed model says of it."""
        return f"deviation={self.deviation:.3g}"


class Uniform(nn.Module):
    """In training, multiply each input by 1 + r, r uniform from -bound to bound."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, features: Tensor) -> Tensor:
        """Map any shape and float dtype to the same."""
        if not self.training:
            return features
        return features * _float32(features).uniform_(1 - self.bound, 1 + self.bound).to(features.dtype)

    def extra_repr(self) -> str:
        """What a printed model says of it."""
        return f"bound={self.bound:.3g}"


def _float32(features: Tensor) -> Tensor:
    """Return room for the noise: drawn in bfloat16, 256 values that begin at the lower end would miss the mean."""
    return torch.empty_like(features, dtype=torch.float32)
