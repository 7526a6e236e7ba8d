"""Shell-style patterns over names of parameters: ``layer1.*``, ``*.bias``, ``stage[34].block?.*``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase, translate

from cifar_core.errors import ConfigError, printable
from cifar_core.wording import shown

_NAMED = 4
"""Names that a sentence gives as examples."""


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Return those of the names that the whole pattern fits, in their order; ``*`` takes dots too."""
    return [name for name in names if fnmatchcase(name, pattern)]


def required(key: str, pattern: str, names: Sequence[str], whose: str = "the network") -> list[str]:
    """Return the same, where a pattern that fits nothing is a mistake.

    Args:
        key: The configuration key that holds the pattern.
        pattern: What to look for.
        names: What there is.
        whose: Names they are, as a sentence has it.

    Raises:
        ConfigError: It fits none of them.
    """
    found = matching(pattern, names)
    if not found:
        raise ConfigError(f"{key}: {shown(pattern)} fits no name of {whose}, which has {examples(names)}")
    return found


def renamed(pattern: str, to: str, name: str) -> str | None:
    """Return what ``name`` becomes by ``pattern -> to``; None where the pattern does not fit it.

    Each ``*`` in ``to`` stands for what the one in the same place, counted from the left, took of the name.
    """
    # Each piece between two stars as fnmatch reads it, without the anchor at its end.
    pieces = (re.sub(r"\\[zZ]$", "", translate(piece)) for piece in pattern.split("*"))
    found = re.fullmatch("(.*)".join(pieces), name)
    if found is None:
        return None
    taken = iter(found.groups())
    return re.sub(r"\*", lambda _: next(taken), to)


def examples(names: Sequence[str]) -> str:
    """Return the first few names, and how many there are where that is not all."""
    if not names:
        return "none"
    first = printable(", ".join(names[:_NAMED]))
    return first if len(names) <= _NAMED else f"{first}, ... ({len(names):,} in all)"
