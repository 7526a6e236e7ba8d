"""Colours: the Okabe-Ito palette on dark and on light, and a terminal's own sixteen.

Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/: told apart with every kind of colour vision.
"""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

from cifar_tui.settings import ThemeName

_DARK = Theme(
    name="cifar-dark",
    dark=True,
    primary="#56B4E9",
    secondary="#E69F00",
    accent="#CC79A7",
    success="#009E73",
    warning="#E69F00",
    error="#D55E00",
    foreground="#E4E4E4",
    background="#101214",
    surface="#16191C",
    panel="#1F2428",
)
_LIGHT = Theme(
    name="cifar-light",
    dark=False,
    primary="#0072B2",
    secondary="#D55E00",
    accent="#A4477D",
    success="#007A59",
    warning="#9A5B00",
    error="#B34700",
    foreground="#1A1A1A",
    background="#FFFFFF",
    surface="#F6F6F4",
    panel="#E8E8E4",
)
_ANSI = BUILTIN_THEMES["ansi-dark"]

THEMES: dict[ThemeName, Theme] = {"dark": _DARK, "light": _LIGHT, "ansi": _ANSI}
"""By the name that settings give them."""
