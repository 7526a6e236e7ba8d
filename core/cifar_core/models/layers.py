"""Layers that several networks are made of and torch does not have."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Sequential):
    """Layers with a shortcut around them: their input is added to what they make of it."""

    def forward(self, features: Tensor) -> Tensor:
        """Map N x C x H x W to the same shape."""
        made = features
        for layer in self:
            made = layer(made)
        return features + made


class Scale(nn.Module):
    """Multiply by a fixed number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features: Tensor) -> Tensor:
        """Map any shape to the same."""
        return features * self.factor

    def extra_repr(self) -> str:
        """What a printed model says of it."""
        return f"factor={self.factor}"


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3 x 3 convolution that keeps the size at stride 1; no bias, since a normalisation comes after it."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def start_by_outputs(model: nn.Module) -> None:
    """Draw convolution weights anew, normal with variance 2 / outputs, and set linear biases to 0; in place.

    Outputs are counted as kernel area times output channels (He et al., arXiv 1502.01852, equation 14). So start
    their published networks: facebook/fb.resnet.torch, szagoruyko/wide-residual-networks,
    facebookresearch/ResNeXt and liuzhuang13/DenseNet.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
