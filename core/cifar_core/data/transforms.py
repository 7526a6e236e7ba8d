"""Transforms of albumentations, read from TOML, drawn anew for each image.

The library is MIT up to 2.0.8, its last version, which says itself that it is maintained no more. Its successor,
albumentationsx, has the same API and another licence (AGPL-3.0).
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic
import tomli
import torch
from torch import Tensor

from cifar_core.errors import ConfigError, printable
from cifar_core.randomness import derived_seed
from cifar_core.wording import dotted, shown

KEY = "augment.albumentations"
_SHIPPED = resources.files("cifar_core.data") / "pipelines"
_NO_TRANSFORMS = {
    *("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D", "BaseCompose"),  # what others derive from
    *("Compose", "ReplayCompose"),  # what the file itself is
    "Lambda",  # takes functions, which TOML has not
}


@dataclass(frozen=True, slots=True, eq=False)
class Transforms:
    """Transforms from one file, in its order."""

    file: str
    """Its name, printable."""
    fingerprint: str
    """What they depend on: the file's content and the library's version."""
    compose: Any
    """The ``albumentations.Compose`` that holds them."""
    seed: int
    """The experiment's."""

    def __call__(self, images: Tensor, indices: npt.NDArray[np.int64], epoch: int) -> Tensor:
        """Return the images transformed; what is drawn for each depends on seed, epoch and index alone.

        Args:
            images: uint8 of shape (N, 3, 32, 32), on the CPU; left as they are.
            indices: Which training images they are.
            epoch: Counted from 1.

        Raises:
            ConfigError: A transform fails, or does not return such an image.
        """
        before = np.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1))
        after = np.empty_like(before)
        for place, index in enumerate(indices.tolist()):
            seed = derived_seed(self.seed, "albumentations", epoch, index)
            # Not ``set_random_seed``, which gives all transforms the same draws: two flips would flip together.
            self.compose.set_random_state(np.random.Generator(np.random.Philox(key=seed)), random.Random(seed))  # noqa: S311
            after[place] = self._transformed(before[place])
        return torch.from_numpy(np.ascontiguousarray(after.transpose(0, 3, 1, 2)))

    def _transformed(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        try:
            done: npt.NDArray[np.uint8] = self.compose(image=image)["image"]
            what = f"{done.dtype} of shape {tuple(done.shape)}"
        except Exception as error:  # whatever a transform may raise
            raise ConfigError(f"{KEY}: {self.file}: an image cannot be transformed: {_reason(error)}") from error
        if done.dtype != np.uint8 or done.shape != image.shape:
            raise ConfigError(
                f"{KEY}: {self.file}: must return uint8 of shape {tuple(image.shape)}, as it is given, not {what}"
            )
        return done


def read(name: str, seed: int) -> Transforms:
    """Return the transforms that ``augment.albumentations`` names.

    Args:
        name: A file ending in ``.toml``, relative to the current folder, ``~`` being the home; or one that ships.
        seed: The experiment's.

    Raises:
        ConfigError: The library is not installed, or the file is missing, no TOML or describes no transforms.
    """
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or else importing it asks the network for a newer version
    try:
        import albumentations
    except ImportError as error:
        raise ConfigError(f'{KEY}: albumentations is not installed; pip install "cifar-tui[albumentations]"') from error
    content = _content(name)
    file = printable(name)
    compose = albumentations.Compose(_built(_tree(content, file), file))
    fingerprint = f"{hashlib.sha256(content).hexdigest()[:12]} (albumentations {albumentations.__version__})"
    return Transforms(file, fingerprint, compose, seed)


def _content(name: str) -> bytes:
    try:
        if name.endswith(".toml"):
            return Path(name).expanduser().read_bytes()
        shipped = {file.name.removesuffix(".toml"): file for file in _SHIPPED.iterdir()}
        if name in shipped:
            return shipped[name].read_bytes()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: no such user; ValueError: a NUL character
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"{KEY}: {printable(name)} cannot be read: {reason}") from error
    raise ConfigError(
        f"{KEY}: {shown(name)} is no file ending in .toml, nor one that ships: {', '.join(sorted(shipped))}"
    )


def _tree(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomli.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, too many digits
        raise ConfigError(f"{KEY}: {file}: is not valid TOML: {printable(error)}") from error


def _built(tree: Mapping[str, Any], file: str) -> list[Any]:
    """The transforms that a file describes.

    Raises:
        ConfigError: It describes none, or one that cannot be.
    """
    other = next((key for key in tree if key != "transform"), None)
    if other is not None:
        raise ConfigError(f"{KEY}: {file}: {dotted([other])}: there is nothing but [[transform]] tables")
    try:
        return _several(tree.get("transform"), ("transform",))
    except ConfigError as error:
        raise ConfigError(f"{KEY}: {file}: {error}") from error


def _several(tables: object, at: tuple[object, ...]) -> list[Any]:
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{dotted(at)}: must be one or more tables, each a transform")
    return [_one(table, (*at, place)) for place, table in enumerate(tables)]


def _one(table: Mapping[str, Any], at: tuple[object, ...]) -> Any:  # noqa: ANN401, the library's base classes say less
    """The transform that a table describes: ``name`` is its class, the other keys are its arguments.

    Raises:
        ConfigError: There is no such transform or argument, or the transform refuses a value.
    """
    kinds, name = _kinds(), table.get("name")
    if not isinstance(name, str) or name not in kinds:
        missing = "is missing" if name is None else f"albumentations has no transform {shown(name)}"
        raise ConfigError(f"{dotted((*at, 'name'))}: {missing}{_nearest(name, kinds)}")
    kind = kinds[name]
    arguments = {key: value for key, value in table.items() if key != "name"}
    known = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in known:
            raise ConfigError(f"{dotted((*at, argument))}: {name} has no such argument{_nearest(argument, known)}")
    if "transforms" in known:
        arguments["transforms"] = _several(arguments.get("transforms"), (*at, "transforms"))
    elif "InitSchema" in vars(kind):
        arguments["strict"] = True  # or else some values that it cannot take are replaced by the defaults
    try:
        return kind(**arguments)
    except Exception as error:  # whatever a transform may raise
        raise ConfigError(f"{dotted(at)}: {name} refuses its arguments: {_reason(error)}") from error


def _kinds() -> dict[str, type]:
    import albumentations

    bases = (albumentations.BasicTransform, albumentations.BaseCompose)
    return {
        name: value
        for name, value in vars(albumentations).items()
        if isinstance(value, type) and issubclass(value, bases) and name not in _NO_TRANSFORMS
    }


def _nearest(word: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word), list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _reason(error: Exception) -> str:
    """What an error of the library says, on one line."""
    if isinstance(error.__cause__, pydantic.ValidationError):
        fault = error.__cause__.errors()[0]
        return printable(f"{dotted(fault['loc'])}: {fault['msg']}")
    first_line, _, _ = str(error).partition("\n")
    return printable(f"{type(error).__name__}: {first_line}")
