"""The images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_core.config.section import Section, Share, Text, Texts


class Data(Section):
    """The images."""

    kind: Literal["cifar10", "cifar100", "folder", "listing", "synthetic"] = "cifar10"
    """The official data sets; train/CLASS/image and test/CLASS/image; lists of "path label" lines; or drawn."""
    root: Text | None = None
    """The folder that holds them; by default $CIFAR_TUI_DATA, else the user's data folder."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only the first N training images (of ``classes``), each class keeping its share."""
    classes: Texts = ()
    """Only the images of these classes, by name, in training and all tests; labels count up in this order."""
    imbalance: Annotated[float, Field(ge=1)] = 1.0
    """How many times as many images are trained on of the first class as of the last, falling exponentially between;
    drawn by ``training.seed``. Images held out and test images stay as balanced as they are."""
    label_noise: Share = 0.0
    """Share of the images trained on that get another label, drawn by ``training.seed``; all others keep theirs."""
    validation: Share = 0.0
    """Share of the training images held out, drawn by ``training.seed``."""
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """Instead, deal the training images into so many parts by ``training.seed``, and hold one of them out."""
    fold: Annotated[int, Field(ge=1, le=100)] = 1
    """Which part is held out, counted from 1; the option --folds trains on each in turn."""
    stratified: bool = False
    """Every class has its share among the images held out."""
    extra_tests: Texts = ()
    """Folders that the trained network is also tested on: of CLASS/image, or CIFAR-10.1's *_data.npy, *_labels.npy."""
    verify: bool = True
    """Refuse CIFAR files whose checksums differ from the official ones (re-encoded images, say)."""
    mirrors: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://[^/]")], ...], Field(strict=False)] = ()
    """Addresses of folders that hold the official archives, tried before the built-in ones."""
    train_list: Text = "train.txt"
    """listing only: the training list, below ``root``."""
    test_list: Text = "test.txt"
    """listing only: the test list, below ``root``."""
    loader: Literal["resident", "workers", "dali"] = "resident"
    """Training images stay on the device; or come from processes beside the training; or from NVIDIA DALI."""
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    """loader=workers only: how many processes, 0 for none; by default as many as turn out to be fastest."""

    @model_validator(mode="after")
    def _own_images_have_a_root(self) -> Data:
        if self.kind in ("folder", "listing") and self.root is None:
            raise ValueError(f"root: must name the folder of the images when kind is {self.kind}")
        return self

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Data:
        if self.folds is not None and self.validation:
            raise ValueError("folds: hold images out, as validation does; give one of them")
        if self.folds is None and self.fold > 1:
            raise ValueError("fold: there are no folds unless data.folds says how many")
        if self.folds is not None and self.fold > self.folds:
            raise ValueError(f"fold: must be at most {self.folds}, the number of folds, not {self.fold}")
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: must name at least two classes, each once")
        if self.workers is not None and self.loader != "workers":
            raise ValueError(f"workers: only loader=workers has them, loader is {self.loader}")
        return self
