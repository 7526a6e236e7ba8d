"""Augmentation of whole blocks of images on their device; every image has random parameters of its own."""

from __future__ import annotations

from cifar_core.augment.pipeline import Augmentation, prepare

__all__ = ["Augmentation", "prepare"]
