"""What is done to images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_core.config.section import NotNegative, Rgb, Section, Text

TestTime = Literal["none", "flip", "flip-shift"]


class Augment(Section):
    """What is done to images on the device, normalised before cutout; every random choice is each image's own."""

    mean: Rgb | None = None
    """Subtracted from each channel of images scaled to 0..1; by default the weights' or the training images' own."""
    std: Rgb | None = None
    """Then divided by; by default the weights' or the training images' own standard deviation."""
    flip: Literal["none", "random", "alternating"] = "none"
    """Mirror left-right: half of the images at random; or at random in epoch 1, then every image each second epoch."""
    crop: Annotated[int, Field(ge=0, le=16)] = 0
    """Pad each side by this many pixels, then cut a random window of the original size."""
    padding: Literal["zero", "reflect"] = "zero"
    """What the crop pads with: black, or the mirrored edge."""
    policy: Literal["none", "autoaugment", "randaugment", "trivialaugment"] = "none"
    """Operations drawn for each image: AutoAugment's for CIFAR-10, RandAugment's or TrivialAugment's (wide)."""
    operations: Annotated[int, Field(ge=1, le=14)] = 2
    """randaugment only: how many one after another."""
    magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    """randaugment only: how strong, of 31 strengths."""
    brightness: NotNegative = 0.0
    """Multiply by a factor drawn from 1 - b to 1 + b, not below 0; before contrast, saturation and hue."""
    contrast: NotNegative = 0.0
    """The same for the distance of each pixel from the image's mean grey."""
    saturation: NotNegative = 0.0
    """The same for the distance of each pixel from its own grey."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Turn the colour circle by a share drawn from -h to h."""
    cutout: Annotated[int, Field(ge=0, le=32)] = 0
    """Side in pixels of a random square set to the mean colour (it may stand over the edge); 0 for none."""
    erasing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of images of which a random rectangle (2 to 33 % of the image) is set to the mean colour."""
    mixup: NotNegative = 0.0
    """Blend each image, and its label, with another of its batch by a share drawn from Beta(a, a); 0 for none."""
    cutmix: NotNegative = 0.0
    """Paste a rectangle of another, its share drawn likewise, and mix labels; with mixup too, each gets one of them."""
    albumentations: Text | None = None
    """A TOML file of albumentations transforms, or "distort", done before all others; data.loader=workers can."""
    test_time: TestTime = "none"
    """In every evaluation, average logits over mirror images, at 2 times the cost; or one-pixel shifts too, at 6."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Augment:
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std: every channel's must be greater than 0")
        if self.policy != "randaugment":
            for key in ("operations", "magnitude"):
                if key in self.model_fields_set and getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key}: only randaugment has them, policy is {self.policy}")
        return self
