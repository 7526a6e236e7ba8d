"""Small networks for 32 x 32 images: LeNet-5's shape with ReLU and max-pooling, and a wider one of three stages.

All of them map float images N x 3 x 32 x 32 to logits N x classes.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cifar_core.models.dropout import Kind, noise


def lenet(classes: int) -> nn.Module:
    """Two 5 x 5 convolutions and three linear layers (after LeCun et al., 1998): 62,006 parameters for 10 classes."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 6, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            **_head(16 * 5 * 5, classes, first_relu=3),
        )
    )


def lenet_bn(classes: int) -> nn.Module:
    """``lenet`` with batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) after each convolution."""
    # No convolution has a bias: the normalisation after it would subtract it again.
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 6, 5, bias=False),
            norm1=nn.BatchNorm2d(6),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5, bias=False),
            norm2=nn.BatchNorm2d(16),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            **_head(16 * 5 * 5, classes, first_relu=3),
        )
    )


def conv3(classes: int, dropout: tuple[float, ...] = (), dropout_kind: Kind = "dropout") -> nn.Module:
    """Three 3 x 3 convolutions (32, 64, 128 wide), each batch-normalised, and three linear layers.

    Args:
        classes: How many logits.
        dropout: Share of the inputs that the first, second and third linear layer drops in training
            (Srivastava et al., 2014); a missing one is 0.
        dropout_kind: As ``cifar_core.models.dropout.noise`` takes it.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (inputs, outputs) in enumerate(((3, 32), (32, 64), (64, 128)), start=1):
        layers[f"conv{number}"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        layers[f"norm{number}"] = nn.BatchNorm2d(outputs)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"pool{number}"] = nn.MaxPool2d(2)
    return nn.Sequential(layers | _head(128 * 4 * 4, classes, first_relu=4, dropout=dropout, kind=dropout_kind))


def _head(
    inputs: int, classes: int, *, first_relu: int, dropout: tuple[float, ...] = (), kind: Kind = "dropout"
) -> OrderedDict[str, nn.Module]:
    """Return the layers flatten, linear1, relu, linear2, relu, linear3, with dropout where its share is above 0."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    widths = (inputs, 120, 84, classes)
    shares = (*dropout, 0.0, 0.0, 0.0)
    for number in (1, 2, 3):
        if shares[number - 1]:
            layers[f"dropout{number}"] = noise(kind, shares[number - 1])
        layers[f"linear{number}"] = nn.Linear(widths[number - 1], widths[number])
        if number < 3:
            layers[f"relu{first_relu + number - 1}"] = nn.ReLU()
    return layers
