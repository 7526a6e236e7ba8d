"""Many operations on one block: each image goes through the one that was drawn for it, together with its likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cifar_core.augment import affine, colour, tones
from cifar_core.augment.host import sent

Entry = tuple[str, float]
"""An operation's name and magnitude, both as in torchvision's policies."""

_WARP = "warp"

_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Identity": lambda images, _: images,
    _WARP: affine.warped,
    "Brightness": colour.brightened,
    "Color": colour.saturated,
    "Contrast": colour.contrasted,
    "Sharpness": tones.sharpened,
    "Posterize": tones.posterized,
    "Solarize": tones.solarized,
    "AutoContrast": lambda images, _: tones.autocontrasted(images),
    "Equalize": lambda images, _: tones.equalized(images),
    "Invert": lambda images, _: tones.inverted(images),
}
"""Each takes uint8 images (B, 3, H, W) and a parameter for each of them."""


@dataclass(frozen=True, eq=False)
class Operations:
    """A list of entries, each of which can be done to any image of a block.

    Which entry is done to which image is drawn on the host. So the host knows how many images each operation gets, and
    need not wait for the device to count them.
    """

    functions: tuple[Callable[[Tensor, Tensor], Tensor], ...]
    parameters: tuple[Tensor, ...]
    """For each function, a row for each entry that it does: a magnitude, or where a warped image's pixels come from."""
    function_of: NDArray[np.int64]
    """Of each entry, the number of its function."""
    row_of: NDArray[np.int64]
    """Of each entry, its row among the parameters of its function."""

    def __call__(self, images: Tensor, rounds: NDArray[np.int64]) -> Tensor:
        """Return the images after several rounds of operations.

        Args:
            images: uint8 of shape (B, 3, H, W); left as they are.
            rounds: int64 of shape (R, B): the numbers of the entries that are done to each image, one after another.
        """
        functions = self.function_of[rounds]
        by_function = functions.argsort(1, kind="stable")
        rows = np.take_along_axis(self.row_of[rounds], by_function, 1)
        plan = sent(np.stack((by_function, by_function.argsort(1), rows), 1), images.device)
        for (order, back, parameters), chosen in zip(plan, functions, strict=True):
            sizes = np.bincount(chosen, minlength=len(self.functions)).tolist()
            images = self._done(images.index_select(0, order), parameters, sizes).index_select(0, back)
        return images

    def _done(self, images: Tensor, rows: Tensor, sizes: Sequence[int]) -> Tensor:
        """Return the images, of which the first ``sizes[0]`` go through the first function, and so on."""
        groups = zip(self.functions, self.parameters, images.split(sizes), rows.split(sizes), strict=True)
        return torch.cat(
            [
                function(group, parameters.index_select(0, chosen))
                for function, parameters, group, chosen in compress(groups, sizes)
            ]
        )


def build(entries: Sequence[Entry], height: int, width: int, device: torch.device) -> Operations:
    """Return these entries, made ready for images of this size on this device."""
    names = [_WARP if name in affine.OPERATIONS else name for name, _ in entries]
    used = [name for name in _FUNCTIONS if name in names]
    own: dict[str, list[Entry]] = {name: [] for name in used}
    row_of = []
    for name, entry in zip(names, entries, strict=True):
        row_of.append(len(own[name]))
        own[name].append(entry)
    return Operations(
        functions=tuple(_FUNCTIONS[name] for name in used),
        # Computed on the CPU, so that they are the same everywhere.
        parameters=tuple(_parameters(name, own[name], height, width).to(device) for name in used),
        function_of=np.array([used.index(name) for name in names]),
        row_of=np.array(row_of),
    )


def _parameters(name: str, entries: Sequence[Entry], height: int, width: int) -> Tensor:
    if name == _WARP:
        matrices = [affine.matrix(operation, magnitude, height, width) for operation, magnitude in entries]
        return affine.sources(torch.tensor(matrices, dtype=torch.float32), height, width)
    return torch.tensor([magnitude for _, magnitude in entries], dtype=torch.float32)
