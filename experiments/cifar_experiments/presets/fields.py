"""What is known of the keys of a configuration: what each is for, and what its value can be."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from cifar_core.models.names import OWN

if TYPE_CHECKING:
    from cifar_core.config import Config, Section

_WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a configuration."""

    description: str
    """Sentences for a person; "" where the name says it all."""
    kind: str
    """"whole number", "number", "true or false", "text", "one of", "list of numbers" or "list of texts"."""
    choices: tuple[str, ...]
    """The words that are allowed, as they are typed; of a text, some of them."""
    optional: bool
    """Whether it may have no value: then the empty text takes the value away."""


def about(key: str, config: Config) -> Field | None:
    """Return what is known of a dotted key that this configuration has; None for a section and an unknown key."""
    section, dot, last = key.rpartition(".")
    owners = {"": type(config), **{f"{each}.": type(getattr(config, each)) for each in _sections()}}
    owner = owners.get(section + dot)
    field = None if owner is None else owner.model_fields.get(last)
    if owner is None or field is None or f"{key}." in owners:
        return None
    kind, choices = _kind(field.annotation)
    description = field.description or ""
    if last == "name" and section:
        choices = names(section)
        # Of a section whose name decides which keys it has, the class says what the name means.
        description = description or owner.__doc__ or ""
    # Docstrings mark names as code, which on a screen is noise.
    return Field(" ".join(description.replace("``", "").split()), kind, choices, _may_be_none(field.annotation))


def is_optional(key: str) -> bool:
    """Whether a dotted key is one that may have no value, such as ``training.clip_norm``."""
    section, _, last = key.rpartition(".")
    fields = (kind.model_fields.get(last) for kind in _kinds(section))
    return any(field is not None and _may_be_none(field.annotation) for field in fields)


def names(section: str) -> tuple[str, ...]:
    """Return the names that a section can have, each of which begins it afresh; none where it has no name.

    A network can have more names than these: those of libraries, and of families.
    """
    if section == "model":
        return OWN
    fields = (kind.model_fields.get("name") for kind in _kinds(section))
    return tuple(name for field in fields if field is not None for name in get_args(field.annotation))


def needs(section: str, name: str) -> tuple[str, ...]:
    """Return the dotted keys that have to be given along with a section's name: ``schedule.every`` with ``step``."""
    kinds = [kind for kind in _kinds(section) if "name" in kind.model_fields]
    kind = next((kind for kind in kinds if name in get_args(kind.model_fields["name"].annotation)), None)
    fields = {} if kind is None else kind.model_fields
    return tuple(f"{section}.{key}" for key, field in fields.items() if field.is_required())


def _sections() -> list[str]:
    from cifar_core.config import Config

    return [section for section in Config.model_fields if _kinds(section)]


def _kinds(section: str) -> list[type[Section]]:
    """Return the classes that a section can be of; none for what is no section."""
    from cifar_core.config import Config, Section

    field = Config.model_fields.get(section)
    annotation = None if field is None else field.annotation
    kinds = get_args(annotation) or (annotation,)
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]


def _may_be_none(annotation: object) -> bool:
    return NoneType in get_args(annotation)


def _kind(annotation: Any) -> tuple[str, tuple[str, ...]]:  # noqa: ANN401, a type is of no type
    """Return the kind of value that a field's type stands for, and the choices."""
    inner = [each for each in get_args(annotation) if each is not NoneType]
    if get_origin(annotation) is Literal:
        return "one of", tuple(inner)
    if get_origin(annotation) is tuple:
        return f"list of {_kind(inner[0])[0]}s", ()
    if get_origin(annotation) is Annotated or _may_be_none(annotation):
        return _kind(inner[0])
    return _WORDS[annotation], ("true", "false") if annotation is bool else ()
