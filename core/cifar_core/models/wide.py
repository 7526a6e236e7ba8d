"""Wide residual networks for 32 x 32 images (Zagoruyko and Komodakis, arXiv 1605.07146)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cifar_core.models.dropout import Kind
from cifar_core.models.layers import conv3x3, start_by_outputs
from cifar_core.models.preact import stage


def wide_resnet(
    depth: int, width: int, classes: int, dropout: tuple[float, ...] = (), dropout_kind: Kind = "dropout"
) -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes.

    For 10 classes, WRN-16-4 has 2,748,890 parameters and WRN-28-10 36,479,194.

    Args:
        depth: Convolutions, those of shortcuts not counted as 3 x 3 ones: 6 n + 4 for n blocks a stage.
        width: How many times as wide as 16, 32 and 64 the three stages are.
        classes: How many logits.
        dropout: None or one share, of the inputs of each block's second convolution; the paper takes 0.3.
        dropout_kind: As ``cifar_core.models.dropout.noise`` takes it.
    """
    blocks = (depth - 4) // 6
    share = dropout[0] if dropout else 0.0
    widths = (16 * width, 32 * width, 64 * width)
    model = nn.Sequential(
        OrderedDict(
            conv=conv3x3(3, 16),
            stage1=stage(16, widths[0], 1, blocks, dropout_kind, share),
            stage2=stage(widths[0], widths[1], 2, blocks, dropout_kind, share),
            stage3=stage(widths[1], widths[2], 2, blocks, dropout_kind, share),
            norm=nn.BatchNorm2d(widths[2]),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(widths[2], classes),
        )
    )
    start_by_outputs(model)
    return model
