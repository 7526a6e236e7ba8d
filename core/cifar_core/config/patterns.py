"""Patterns of parameter names as a configuration has them, such as ``layer1.*`` and ``layer1.* = 0.1``."""

from __future__ import annotations

import re


def split_number(text: str) -> tuple[str, float]:
    """Return pattern and number of ``PATTERN = NUMBER``.

    Raises:
        ValueError: It is of another form, or the number is below 0 or not finite.
    """
    pattern, _, number = (part.strip() for part in text.rpartition("="))
    # What float() takes besides is nothing that anybody means: nan, infinity, 1_000.
    if not pattern or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?([eE][+-]?\d{1,2})?", number):
        raise ValueError('must be of the form "PATTERN = NUMBER", such as "layer1.* = 0.1"')
    return pattern, float(number)


def split_arrow(text: str) -> tuple[str, str]:
    """Return both sides of ``PATTERN -> NAME``, where each ``*`` on the right stands for one on the left.

    Raises:
        ValueError: It is of another form, or has more ``*`` on the right than on the left.
    """
    before, arrow, after = (part.strip() for part in text.partition("->"))
    if not arrow or not before:
        raise ValueError('must be of the form "PATTERN -> NAME", such as "backbone.* -> *"')
    if after.count("*") > before.count("*"):
        raise ValueError("has more * to the right of -> than to the left")
    return before, after
