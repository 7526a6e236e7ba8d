"""Networks with more than one classifier: further ones on earlier features, there for training alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from cifar_core.losses import Loss


class WithAuxiliary(NamedTuple):
    """What such a network returns in training mode; in evaluation mode it returns the logits alone."""

    logits: Tensor
    """float N x classes, of the classifier that counts."""
    others: tuple[Tensor, ...]
    """The same of each further one."""
    share: float
    """What the loss of each further one is multiplied by."""

    def loss(self, loss: Loss, targets: Tensor) -> Tensor:
        """Return the sum that is minimised: the loss of the logits, and the share of each other."""
        total = loss(self.logits, targets)
        for logits in self.others:
            total = total + self.share * loss(logits, targets)
        return total
