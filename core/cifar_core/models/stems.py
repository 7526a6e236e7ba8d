"""How torchvision's networks take 32 x 32 images: without their first two halvings.

Made for 224 x 224, they halve an image five times, and 7 x 7 is left. Of 32 x 32 that would leave 1 x 1. Without the
first two, 4 x 4 is left, and the layers behind see about as much detail as they were made for. It is what the
ResNet of He et al. (arXiv 1512.03385) became in https://github.com/kuangliu/pytorch-cifar, for all families alike.

A first kernel that is wider than 3 x 3 becomes that, since an edge of a small image is narrower: its weights are
added up over areas. So their sum stays, and with it the answer to an image of one colour. All layers and weights
keep torchvision's names, and all weights their shapes but those of that kernel, and of VGG's first linear layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import Tensor, nn

Stem = Callable[[nn.Module], None]
"""Changes a network in place."""


def stem_of(name: str) -> Stem | None:
    """Return what makes the network of this name (``resnet18``) take 32 x 32; None where nothing is known to."""
    return next((stem for prefix, stem in _STEMS.items() if name.startswith(prefix)), None)


def _pooling(network: nn.Module, conv: str, pool: str) -> None:
    """A first convolution that halves, and a pooling after it."""
    _keep_size(_conv(network, conv))
    _leave_out(network, pool)


def _alexnet(network: nn.Module) -> None:
    # Without padding the maps are 30, 14 and 6 wide, and 6 x 6 is what the classifier takes: there is nothing left
    # for the adaptive pooling, whose gradient CUDA has in no deterministic form.
    _pooling(network, "features.0", "features.2")
    _conv(network, "features.0").padding = (0, 0)
    _leave_out(network, "avgpool")


def _vgg(network: nn.Module) -> None:
    # Its first layers have no halving to spare: without it they would cost as much as at 128 x 128. So 1 x 1 is left,
    # which torchvision repeats to 7 x 7 for the classifier. The sum of weights over these 49 says the same at once.
    _leave_out(network, "avgpool")
    linear = cast(nn.Linear, network.get_submodule("classifier.0"))
    with torch.no_grad():
        linear.weight = nn.Parameter(linear.weight.unflatten(1, (-1, 7 * 7)).sum(2))
    linear.in_features = linear.weight.shape[1]


def _inception(network: nn.Module) -> None:
    # Most convolutions before its blocks have no padding; with it, the blocks see 15, 7 and 3 of their 35, 17 and 8.
    for conv in ("Conv2d_1a_3x3.conv", "Conv2d_2a_3x3.conv", "Conv2d_4a_3x3.conv"):
        _keep_size(_conv(network, conv))
    _leave_out(network, "maxpool1")
    network.set_submodule("AuxLogits", _InceptionHead(network.get_submodule("AuxLogits")))


class _InceptionHead(nn.Module):
    """The auxiliary classifier, which makes 5 x 5 of 17 x 17 by pooling over 5 x 5, of 7 x 7 by pooling over 3 x 3."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.conv0 = head.get_submodule("conv0")
        self.conv1 = head.get_submodule("conv1")
        self.fc = head.get_submodule("fc")

    def forward(self, features: Tensor) -> Tensor:
        """Map N x 768 x 7 x 7 to logits N x classes."""
        features = F.avg_pool2d(features, kernel_size=3, stride=1)
        logits: Tensor = self.fc(self.conv1(self.conv0(features)).flatten(1))
        return logits


def _patches(network: nn.Module) -> None:
    """Patches of 4 x 4, which are two halvings at once: every pixel with its neighbours becomes one."""
    _keep_size(_conv(network, "features.0.0"))


def _strides(network: nn.Module, count: int = 2) -> None:
    """No pooling: instead, so many of the first convolutions that halve no longer do."""
    halving = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1))
    for conv in islice(halving, count):
        _keep_size(conv)


def _conv(network: nn.Module, path: str) -> nn.Conv2d:
    return cast(nn.Conv2d, network.get_submodule(path))


def _leave_out(network: nn.Module, path: str) -> None:
    network.set_submodule(path, nn.Identity())


def _keep_size(conv: nn.Conv2d) -> None:
    """Make a convolution one of stride 1 that leaves height and width as they are, over 3 x 3 at most."""
    side = min(conv.kernel_size[0], 3)
    narrow(conv, side)
    conv.padding, conv.stride = (side // 2, side // 2), (1, 1)


def narrow(conv: nn.Conv2d, side: int) -> None:
    """Make a convolution's kernel ``side`` x ``side``, which is no wider than it was; in place.

    Its weights are added up over areas, so that their sum stays.
    """
    if side < conv.kernel_size[0]:
        areas = _areas(conv.kernel_size[0], side).to(conv.weight)
        with torch.no_grad():
            conv.weight = nn.Parameter(torch.einsum("ih,jw,ochw->ocij", areas, areas, conv.weight))
        conv.kernel_size = (side, side)


def _areas(cells: int, fewer: int) -> Tensor:
    """Return how much of each of ``cells`` lies in each of ``fewer`` ones of the same length in all."""
    edges = torch.arange(fewer + 1) * (cells / fewer)
    starts = torch.arange(cells)
    within = torch.minimum(edges[1:, None], starts + 1) - torch.maximum(edges[:-1, None], starts)
    return within.clamp(min=0)


_STEMS: Mapping[str, Stem] = MappingProxyType(
    {
        "alexnet": _alexnet,
        "convnext": _patches,
        "densenet": partial(_pooling, conv="features.conv0", pool="features.pool0"),
        "efficientnet": _strides,
        "googlenet": partial(_pooling, conv="conv1.conv", pool="maxpool1"),
        "inception": _inception,
        "mnasnet": _strides,
        "mobilenet": _strides,
        "regnet": partial(_strides, count=3),  # the first block halves in two places: on the way and around it
        "resnet": partial(_pooling, conv="conv1", pool="maxpool"),
        "resnext": partial(_pooling, conv="conv1", pool="maxpool"),
        "shufflenet": partial(_pooling, conv="conv1.0", pool="maxpool"),
        "squeezenet": partial(_pooling, conv="features.0", pool="features.2"),
        "swin": _patches,
        "vgg": _vgg,
        "wide_resnet": partial(_pooling, conv="conv1", pool="maxpool"),
    }
)
"""By how torchvision's names begin."""
