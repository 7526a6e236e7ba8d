"""A small vision transformer for 32 x 32 images (Dosovitskiy et al., arXiv 2010.11929)."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F  # noqa: N812 (its name everywhere)
from torch import Tensor, nn

from cifar_core.models.dropout import Kind, noise

_WIDTH = 384
_HIDDEN = 384
_HEADS = 12
_DEPTH = 7
_PATCH = 4


def vit(classes: int, dropout: tuple[float, ...] = (), dropout_kind: Kind = "dropout") -> nn.Module:
    """Map float images N x 3 x 32 x 32 to logits N x classes: 6,268,810 parameters for 10 classes.

    Patches of 4 x 4 pixels, 7 blocks 384 wide of 12 heads, also 384 wide inside: the sizes of
    omihub777/ViT-CIFAR, which reports 90.92 % on CIFAR-10 and 66.54 % on CIFAR-100, trained from nothing for 200
    epochs with Adam (learning rate 0.001, weight decay 5e-5, cosine, 5 epochs of warm-up), AutoAugment and label
    smoothing of 0.1. Blocks and class token are those of the paper.

    Args:
        classes: How many logits.
        dropout: None or one share, after the position embedding and after each linear layer of the blocks but
            that of queries, keys and values (appendix B.1 of the paper).
        dropout_kind: As ``cifar_core.models.dropout.noise`` takes it.
    """
    return VisionTransformer(classes, dropout_kind, dropout[0] if dropout else 0.0)


class VisionTransformer(nn.Module):
    """Blocks over the patches and a class token, whose last value the head reads."""

    def __init__(self, classes: int, kind: Kind, share: float) -> None:
        super().__init__()
        tokens = 1 + (32 // _PATCH) ** 2
        self.patch_embed = nn.Conv2d(3, _WIDTH, _PATCH, stride=_PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, _WIDTH))
        self.dropout = noise(kind, share)
        self.blocks = nn.Sequential(OrderedDict((f"block{n + 1}", Block(kind, share)) for n in range(_DEPTH)))
        self.norm = _norm()
        self.head = nn.Linear(_WIDTH, classes)
        self._start()

    def forward(self, images: Tensor) -> Tensor:
        """Map float N x 3 x 32 x 32 to logits N x classes."""
        patches = self.patch_embed(images).flatten(2).mT
        token = self.cls_token.expand(len(images), -1, -1)
        tokens = self.dropout(torch.cat((token, patches), 1) + self.pos_embed)
        logits: Tensor = self.head(self.norm(self.blocks(tokens)[:, 0]))
        return logits

    def _start(self) -> None:
        # As in facebookresearch/deit and timm: narrow normals, no biases.
        for weight in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(weight, std=0.02)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)


class Block(nn.Module):
    """Self-attention and two linear layers, each after a normalisation and with a shortcut around it."""

    def __init__(self, kind: Kind, share: float) -> None:
        super().__init__()
        self.norm1 = _norm()
        self.attention = Attention()
        self.dropout = noise(kind, share)
        self.norm2 = _norm()
        self.mlp = nn.Sequential(
            OrderedDict(
                linear1=nn.Linear(_WIDTH, _HIDDEN),
                gelu=nn.GELU(),
                dropout1=noise(kind, share),
                linear2=nn.Linear(_HIDDEN, _WIDTH),
                dropout2=noise(kind, share),
            )
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map N x tokens x width to the same."""
        tokens = tokens + self.dropout(self.attention(self.norm1(tokens)))
        made: Tensor = self.mlp(self.norm2(tokens))
        return tokens + made


class Attention(nn.Module):
    """Each token gathers from all of them, in several heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.projection = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map N x tokens x width to the same."""
        parts = self.qkv(tokens).unflatten(-1, (3, _HEADS, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind()
        gathered = F.scaled_dot_product_attention(queries, keys, values)
        made: Tensor = self.projection(gathered.transpose(1, 2).flatten(2))
        return made


def _norm() -> nn.LayerNorm:
    return nn.LayerNorm(_WIDTH, eps=1e-6)
