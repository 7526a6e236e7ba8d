"""ResNet-18 of pre-activation blocks for 32 x 32 images (He et al., arXiv 1603.05027)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from cifar_core.models.dropout import Kind, noise
from cifar_core.models.layers import conv3x3, start_by_outputs


def preact_resnet18(classes: int) -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes: 11,172,170 parameters for 10 classes.

    As in the paper a normalisation and a ReLU follow the last block; kuangliu/pytorch-cifar leaves them out, and
    has 1,024 parameters less.
    """
    model = nn.Sequential(
        OrderedDict(
            conv=conv3x3(3, 64),
            stage1=stage(64, 64, stride=1, blocks=2),
            stage2=stage(64, 128, stride=2, blocks=2),
            stage3=stage(128, 256, stride=2, blocks=2),
            stage4=stage(256, 512, stride=2, blocks=2),
            norm=nn.BatchNorm2d(512),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(512, classes),
        )
    )
    start_by_outputs(model)
    return model


class Block(nn.Module):
    """Twice normalisation, ReLU and a 3 x 3 convolution, and around them a shortcut.

    Where the shape changes, the shortcut is a 1 x 1 convolution of what the first ReLU gives; else it is the
    input itself. Dropout, where its share is above 0, stands before the second convolution (Zagoruyko and
    Komodakis, arXiv 1605.07146, section 2.4).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, kind: Kind, share: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.dropout = noise(kind, share)
        self.conv2 = conv3x3(outputs, outputs)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map N x inputs x H x W to N x outputs x H/stride x W/stride."""
        activations = self.relu1(self.norm1(features))
        residual = self.relu2(self.norm2(self.conv1(activations)))
        residual = self.conv2(self.dropout(residual))
        kept = features if self.shortcut is None else self.shortcut(activations)
        both: Tensor = kept + residual
        return both


def stage(
    inputs: int, outputs: int, stride: int, blocks: int, kind: Kind = "dropout", share: float = 0.0
) -> nn.Sequential:
    """Return ``blocks`` blocks, the first of which changes the width and has the stride."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, blocks + 1):
        layers[f"block{number}"] = Block(inputs, outputs, stride, kind, share)
        inputs, stride = outputs, 1
    return nn.Sequential(layers)
