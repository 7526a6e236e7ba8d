"""ResNet-9, David Page's entry in DAWNBench (davidcpage/cifar10-fast): 94 % after 24 epochs."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cifar_core.models.layers import Residual, Scale, conv3x3


def resnet9(classes: int) -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes: 6,573,120 parameters for 10 classes.

    Weights start as torch's layers do, as they did there; the logits are divided by 8.
    """
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(_unit(3, 64)),
            stage1=nn.Sequential(_unit(64, 128) | OrderedDict(pool=nn.MaxPool2d(2), residual=_residual(128))),
            stage2=nn.Sequential(_unit(128, 256) | OrderedDict(pool=nn.MaxPool2d(2))),
            stage3=nn.Sequential(_unit(256, 512) | OrderedDict(pool=nn.MaxPool2d(2), residual=_residual(512))),
            pool=nn.MaxPool2d(4),
            flatten=nn.Flatten(),
            head=nn.Linear(512, classes, bias=False),
            scale=Scale(0.125),
        )
    )


def _residual(width: int) -> Residual:
    # The ReLU comes before the sum, unlike in ResNet.
    return Residual(_unit(width, width, "1") | _unit(width, width, "2"))


def _unit(inputs: int, outputs: int, number: str = "") -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        {
            f"conv{number}": conv3x3(inputs, outputs),
            f"norm{number}": nn.BatchNorm2d(outputs),
            f"relu{number}": nn.ReLU(),
        }
    )
