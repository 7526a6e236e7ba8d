"""Brightness, contrast, saturation and hue of uint8 images, each by a strength of its own.

A strength m means the factor 1 + m of torchvision's functions, so 0 leaves an image as it is. Brightness, contrast
and saturation are equal to torchvision's (``torchvision.transforms.functional`` on tensors) bit for bit, since they do
the same arithmetic in the same order; hue is at most 1 of 255 apart, where rounding falls the other way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cifar_core.config import Augment


def jittered(images: Tensor, config: Augment, generator: torch.Generator) -> Tensor:
    """Return the images with the colour changes that are configured, each by a strength drawn for each image.

    Always in the order of the functions below. torchvision's ColorJitter draws an order for each call; one drawn for a
    block would be shared by all its images, and one for each image would cost as much as doing them one by one.

    Args:
        images: uint8 of shape (B, 3, H, W).
        config: Names the largest strengths; a factor never falls below 0.
        generator: On the images' device.
    """

    def drawn(lowest: float, highest: float) -> Tensor:
        shares = torch.rand(len(images), generator=generator, device=images.device)
        return shares.mul_(highest - lowest).add_(lowest)

    for change, most in (
        (brightened, config.brightness),
        (contrasted, config.contrast),
        (saturated, config.saturation),
    ):
        if most:
            images = change(images, drawn(-min(most, 1.0), most))
    if config.hue:
        images = hue_turned(images, drawn(-config.hue, config.hue))
    return images


def brightened(images: Tensor, strengths: Tensor) -> Tensor:
    """Return every pixel times 1 + its image's strength: uint8 of shape (B, 3, H, W), float32 of shape (B,)."""
    return as_bytes(images.float().mul_(1 + strengths.view(-1, 1, 1, 1)))


def contrasted(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images, each pixel's distance from its image's mean grey times 1 + strength; shapes likewise."""
    return blended(images, _grey(images).float().mean((1, 2, 3), keepdim=True), strengths)


def saturated(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images, each pixel's distance from its own grey times 1 + strength; shapes likewise."""
    return blended(images, _grey(images), strengths)


def hue_turned(images: Tensor, turns: Tensor) -> Tensor:
    """Return the images with their hues turned by a share of the colour circle, -0.5 to 0.5; shapes likewise."""
    red, green, blue = images.float().unbind(1)
    highest, lowest = images.amax(1).float(), images.amin(1).float()
    spread = highest - lowest
    divisor = spread.clamp(min=1)  # where all three are equal, so are their differences 0
    # The hue in sixths of the circle, from the largest channel and the difference of the two others.
    hue = torch.where(
        highest == red,
        (green - blue) / divisor,
        torch.where(highest == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue.add_(6 * turns.view(-1, 1, 1))
    hue -= 6 * (hue / 6).floor_()
    # How far each channel stands above the lowest, 0 to 1: a trapezium around its own hue.
    heights = torch.stack(((hue - 3).abs_() - 1, 2 - (hue - 2).abs_(), 2 - (hue - 4).abs_()), 1).clamp_(0, 1)
    # torchvision's way from 0..1 to bytes: times just below 256, then rounded down.
    return as_bytes(heights.mul_(spread[:, None]).add_(lowest[:, None]).mul_(255.999 / 255))


def blended(images: Tensor, others: Tensor, strengths: Tensor) -> Tensor:
    """Return (1 + strength) times the images less strength times the others, kept within 0..255.

    Args:
        images: uint8 of shape (B, 3, H, W).
        others: uint8 or whole or broken float32, of a shape that broadcasts to it.
        strengths: float32 of shape (B,).
    """
    each = strengths.view(-1, 1, 1, 1)
    # In this order, unfused: it decides which way halves are rounded.
    return as_bytes(images.float().mul_(1 + each).sub_(each * others))


def as_bytes(pixels: Tensor) -> Tensor:
    """Return float pixels rounded down to uint8; below 0 becomes 0, above 255 becomes 255. Overwrites them."""
    return pixels.clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """Return the images' luminance (ITU-R BT.601), rounded down: uint8 of shape (B, 1, H, W)."""
    red, green, blue = images.split(1, dim=1)
    luminance: Tensor = 0.2989 * red + 0.587 * green + 0.114 * blue
    return luminance.to(torch.uint8)
