"""ResNeXt-29 for 32 x 32 images (Xie et al., arXiv 1611.05431, section 5.3)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from cifar_core.models.layers import conv3x3, start_by_outputs


def resnext29(cardinality: int, width: int, classes: int) -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes.

    For 10 classes, 8 x 64d has 34,426,698 parameters. The blocks' outputs are 256, 512 and 1,024 wide whatever
    goes on inside them.

    Args:
        cardinality: Groups of each 3 x 3 convolution.
        width: Channels of one group in the first stage, twice and four times as many in the next.
        classes: How many logits.
    """
    inner = cardinality * width
    stem = OrderedDict(conv=conv3x3(3, 64), norm=nn.BatchNorm2d(64), relu=nn.ReLU())
    model = nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(stem),
            stage1=_stage(64, inner, 256, stride=1, groups=cardinality),
            stage2=_stage(256, 2 * inner, 512, stride=2, groups=cardinality),
            stage3=_stage(512, 4 * inner, 1024, stride=2, groups=cardinality),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(1024, classes),
        )
    )
    start_by_outputs(model)
    return model


class Block(nn.Module):
    """A 1 x 1, a grouped 3 x 3 and a 1 x 1 convolution with a shortcut around them (figure 3c of the paper)."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=groups, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=nn.BatchNorm2d(outputs)))
        self.relu3 = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map N x inputs x H x W to N x outputs x H/stride x W/stride."""
        residual = self.relu1(self.norm1(self.conv1(features)))
        residual = self.relu2(self.norm2(self.conv2(residual)))
        residual = self.norm3(self.conv3(residual))
        activations: Tensor = self.relu3(residual + self.shortcut(features))
        return activations


def _stage(inputs: int, inner: int, outputs: int, stride: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            block1=Block(inputs, inner, outputs, stride, groups),
            block2=Block(outputs, inner, outputs, 1, groups),
            block3=Block(outputs, inner, outputs, 1, groups),
        )
    )
