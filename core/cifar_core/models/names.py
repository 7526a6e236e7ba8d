"""What networks are called, without torch: what a configuration may name before anything is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

OWN = (
    "lenet-notes",
    "lenet-notes-bn",
    "conv3-notes",
    "resnet9",
    "resnet18",
    "preact-resnet18",
    "wrn-16-4",
    "wrn-28-10",
    "resnext29-8x64d",
    "densenet-bc-100-12",
    "vit-cifar",
    "airbench94",
    "airbench95",
    "airbench96",
)
"""The networks for 32 x 32 images that are built here."""

FAMILIES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "wrn-DEPTH-WIDTH": re.compile(r"wrn-([0-9]{1,3})-([0-9]{1,2})"),
        "resnext29-CARDINALITYxWIDTHd": re.compile(r"resnext29-([0-9]{1,3})x([0-9]{1,3})d"),
        "densenet-bc-DEPTH-GROWTH": re.compile(r"densenet-bc-([0-9]{1,3})-([0-9]{1,3})"),
    }
)
"""Networks of other depths and widths than those in ``OWN``, by the form of their names."""

LIBRARIES = ("torchvision", "timm")
"""Whose networks are named with the library before them, as in ``torchvision:resnet18``."""

_DROPOUTS = {"conv3-notes": 3, "vit-cifar": 1}


def library_of(name: str) -> tuple[str, str] | None:
    """Return the library and the name there of a network that is not built here, else None."""
    library, colon, rest = name.partition(":")
    return (library, rest) if colon and library in LIBRARIES else None


def family_of(name: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the first part of a family's name with the numbers in this one, else None."""
    for form, pattern in FAMILIES.items():
        if found := pattern.fullmatch(name):
            return form.partition("-")[0], tuple(map(int, found.groups()))
    return None


def dropouts(name: str) -> int:
    """Return how many shares of dropout a network takes."""
    return 1 if name.startswith("wrn-") else _DROPOUTS.get(name, 0)


def fault(name: str) -> str | None:
    """Return the sentence that says why no network can be called this; None where one can."""
    if name in OWN:
        return None
    if (found := library_of(name)) is not None:
        # What a library has is known when it is imported.
        wrong = not re.fullmatch(r"[A-Za-z0-9_./-]{1,100}", found[1])
        return f"{found[0]}:NAME needs the name of a network" if wrong else None
    family = family_of(name)
    if family is None:
        return _unknown(name)
    match family:
        case "wrn", (depth, width) if depth < 10 or (depth - 4) % 6 or not width:
            return "wrn-DEPTH-WIDTH needs a depth of 6 n + 4, such as 16, 28 or 40, and a width of at least 1"
        case "resnext29", (cardinality, width) if not cardinality or not width:
            return "resnext29-CARDINALITYxWIDTHd needs two numbers above 0"
        case "densenet", (depth, growth) if depth < 10 or (depth - 4) % 6 or not growth:
            return "densenet-bc-DEPTH-GROWTH needs a depth of 6 n + 4, such as 40 or 100, and a growth of at least 1"
    return None


def _unknown(name: str) -> str:
    import difflib

    from cifar_core.wording import LONGEST, shown

    word = name.lower()
    near = [own for own in OWN if word and own.startswith(word)] or difflib.get_close_matches(word[:LONGEST], OWN, 1)
    if near:
        return f"no network is called {shown(name)}; did you mean {near[0]}?"
    libraries = [f"{library}:NAME" for library in LIBRARIES]
    return f"no network is called {shown(name)}; there are {', '.join([*OWN, *FAMILIES, *libraries])}"
