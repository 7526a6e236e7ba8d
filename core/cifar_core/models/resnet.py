"""ResNet-18 for 32 x 32 images (He et al., arXiv 1512.03385): a 3 x 3 stem and no max-pooling before the stages."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn


def resnet18(classes: int) -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes: 11,173,962 parameters for 10 classes.

    The paper's ImageNet stem would leave 8 x 8 of 32 x 32 pixels before the first block.
    """
    stem = OrderedDict(conv=_conv3x3(3, 64), norm=nn.BatchNorm2d(64), relu=nn.ReLU())
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(stem),
            stage1=_stage(64, 64, stride=1),
            stage2=_stage(64, 128, stride=2),
            stage3=_stage(128, 256, stride=2),
            stage4=_stage(256, 512, stride=2),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(512, classes),
        )
    )


class Block(nn.Module):
    """Two 3 x 3 convolutions, and around them a shortcut: a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = _conv3x3(outputs, outputs)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=nn.BatchNorm2d(outputs)))
        self.relu2 = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map N x inputs x H x W to N x outputs x H/stride x W/stride."""
        residual = self.relu1(self.norm1(self.conv1(features)))
        residual = self.norm2(self.conv2(residual))
        activations: Tensor = self.relu2(residual + self.shortcut(features))
        return activations


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(block1=Block(inputs, outputs, stride), block2=Block(outputs, outputs, 1)))


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
