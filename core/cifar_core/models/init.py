"""How convolution and linear weights start."""

from __future__ import annotations

from typing import Literal

from torch import nn


def initialise(model: nn.Module, method: Literal["default", "kaiming", "xavier"]) -> None:
    """Draw the weights of every convolution and linear layer anew and set their biases to 0; in place.

    "kaiming" is normal with variance 2 / inputs (He et al., arXiv 1502.01852, equation 10), "xavier" is
    uniform with variance 2 / (inputs + outputs) (Glorot and Bengio, 2010, equation 16), and "default"
    changes nothing. Normalisation layers stay as they are.
    """
    if method == "default":
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if method == "kaiming":
                # Counted by inputs, since outputs would give the classifier, 10 wide, far too large logits.
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
