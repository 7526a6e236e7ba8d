"""DenseNet-BC for 32 x 32 images (Huang et al., arXiv 1608.06993): bottlenecks and transitions that halve."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cifar_core.models.layers import conv3x3, start_by_outputs


def densenet_bc(depth: int, growth: int, classes: int) -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes.

    For 10 classes, DenseNet-BC-100-12 has 769,162 parameters (the paper: 0.8 M). Few parameters, much memory: in
    training each pair keeps its whole input twice, which is 35 MB an image in float32, and grows with the
    square of the depth.

    Args:
        depth: Layers in all: 6 n + 4 for n pairs of convolutions in each of the three dense blocks.
        growth: Channels that each pair adds.
        classes: How many logits.
    """
    pairs = (depth - 4) // 6
    width = 2 * growth
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv=conv3x3(3, width))
    for number in (1, 2, 3):
        layers[f"dense{number}"] = _dense(width, growth, pairs)
        width += pairs * growth
        if number < 3:
            layers[f"transition{number}"] = _transition(width, width // 2)
            width //= 2
    layers["norm"] = nn.BatchNorm2d(width)
    layers["relu"] = nn.ReLU()
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(width, classes)
    model = nn.Sequential(layers)
    start_by_outputs(model)
    return model


class Pair(nn.Module):
    """A 1 x 1 and a 3 x 3 convolution, each after normalisation and ReLU; the result is appended to the input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = conv3x3(4 * growth, growth)

    def forward(self, features: Tensor) -> Tensor:
        """Map N x inputs x H x W to N x (inputs + growth) x H x W."""
        made = self.conv1(self.relu1(self.norm1(features)))
        made = self.conv2(self.relu2(self.norm2(made)))
        return torch.cat((features, made), 1)


def _dense(inputs: int, growth: int, pairs: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict((f"pair{n + 1}", Pair(inputs + n * growth, growth)) for n in range(pairs)))


def _transition(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(inputs),
            relu=nn.ReLU(),
            conv=nn.Conv2d(inputs, outputs, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )
