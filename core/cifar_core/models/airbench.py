"""The networks of KellerJordan/cifar10-airbench (Jordan, arXiv 2404.00498), whose first layer whitens.

All map float images N x 3 x 32 x 32 to logits N x classes. The weight of the layer ``whiten`` is not trained: it comes
from the training images (``cifar_core.models.whitening``), and is random before that. Normalisations have no scale;
under autocast, too, torch has them work in float32, as the original does in half precision.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from cifar_core.models.layers import Residual, Scale, conv3x3

_WHITENED = 24


def airbench94(classes: int) -> nn.Module:
    """Six convolutions after the whitening one: 1,971,352 trained parameters for 10 classes.

    This is the network of ``airbench94_muon.py``. It differs from ``legacy/airbench94.py`` in the head, whose
    weights start with a deviation of 1, in the logits, divided by 256 rather than by 9, and in the bias of the
    whitening, which starts as torch's layers do rather than at 0.
    """
    groups = (_group(_WHITENED, 64), _group(64, 256), _group(256, 256))
    model = _network(*groups, head=nn.Linear(256, classes, bias=False), logits=1 / 256)
    weight = model.get_submodule("head").get_parameter("weight")
    with torch.no_grad():
        weight.div_(weight.std())
    return model


def airbench95(classes: int) -> nn.Module:
    """The same, wider: 4,604,440 trained parameters for 10 classes (``legacy/airbench95.py``)."""
    groups = (_group(_WHITENED, 128), _group(128, 384), _group(384, 384))
    model = _network(*groups, head=nn.Linear(384, classes, bias=False), logits=1 / 9)
    nn.init.zeros_(model.get_submodule("whiten").get_parameter("bias"))
    return model


def airbench96(classes: int) -> nn.Module:
    """Nine convolutions: 9,915,416 trained parameters for 10 classes (``legacy/airbench96.py``)."""
    groups = (_residual_group(_WHITENED, 128), _residual_group(128, 384), _residual_group(384, 512))
    model = _network(*groups, head=nn.Linear(512, classes, bias=False), logits=1 / 9)
    nn.init.zeros_(model.get_submodule("whiten").get_parameter("bias"))
    return model


def _network(group1: nn.Module, group2: nn.Module, group3: nn.Module, *, head: nn.Linear, logits: float) -> nn.Module:
    whiten = nn.Conv2d(3, _WHITENED, 2)
    whiten.weight.requires_grad = False
    return nn.Sequential(
        OrderedDict(
            whiten=whiten,
            gelu=nn.GELU(),
            group1=group1,
            group2=group2,
            group3=group3,
            pool=nn.MaxPool2d(3),
            flatten=nn.Flatten(),
            head=head,
            scale=Scale(logits),
        )
    )


def _group(inputs: int, outputs: int) -> nn.Sequential:
    """Map N x inputs x H x W to N x outputs x H/2 x W/2 by two convolutions."""
    return nn.Sequential(
        OrderedDict(
            conv1=_conv(inputs, outputs),
            pool=nn.MaxPool2d(2),
            norm1=_norm(outputs, momentum=0.4),
            gelu1=nn.GELU(),
            conv2=_conv(outputs, outputs),
            norm2=_norm(outputs, momentum=0.4),
            gelu2=nn.GELU(),
        )
    )


def _residual_group(inputs: int, outputs: int) -> nn.Sequential:
    """The same by three convolutions, a shortcut around the last two."""
    convolutions = OrderedDict(
        conv2=_conv(outputs, outputs),
        norm2=_norm(outputs, momentum=0.1),
        gelu2=nn.GELU(),
        conv3=_conv(outputs, outputs),
        norm3=_norm(outputs, momentum=0.1),
    )
    return nn.Sequential(
        OrderedDict(
            conv1=_conv(inputs, outputs),
            pool=nn.MaxPool2d(2),
            norm1=_norm(outputs, momentum=0.1),
            gelu1=nn.GELU(),
            residual=Residual(convolutions),
            gelu3=nn.GELU(),
        )
    )


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution whose first outputs are its inputs at the start (a Dirac kernel); the rest is random."""
    conv = conv3x3(inputs, outputs)
    nn.init.dirac_(conv.weight.detach()[:inputs])
    return conv


def _norm(width: int, momentum: float) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(width, eps=1e-12, momentum=momentum)
    norm.weight.requires_grad = False
    return norm
