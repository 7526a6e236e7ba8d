"""From untrusted trees and command line words to a ``Config``, or to one sentence for every fault in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import tomli
from pydantic import ValidationError

from cifar_core.config import Config
from cifar_core.errors import ConfigError, printable
from cifar_core.faults import UNIONS, Fault, explained
from cifar_core.wording import dotted, shown

_KEY = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_PLACE_IN_LIST = re.compile(r"\[\d+\]$")
_MOST_FAULTS = 50


def _nowhere(_key: str) -> str:
    return ""


def parse(tree: Mapping[str, object], where: Callable[[str], str] = _nowhere) -> Config:
    """Return the configuration that ``tree`` holds, with defaults for what it leaves out.

    ``where`` tells the origin of a dotted key ("my.toml:12", "command line"), or "" when it knows none;
    for a key inside a section that it does not know it is asked about the section.

    Raises:
        ConfigError: with one line for every fault, at most 50 of them.
    """
    tamed, faults = _tame(tree)
    config = None
    try:
        config = Config.model_validate(tamed)
    except ValidationError as error:
        faults += [explained(details, tree) for details in error.errors(include_url=False)]
    if config is not None and not faults:
        return config
    lines = []
    for fault in faults[:_MOST_FAULTS]:
        origin = where(_PLACE_IN_LIST.sub("", fault.key)) or where(fault.key.partition(".")[0])
        key = f"{fault.key}: " if fault.key else ""
        lines.append(f"{printable(origin)}: {key}{fault.text}" if origin else f"{key}{fault.text}")
    if len(faults) > _MOST_FAULTS:
        lines.append(f"and {len(faults) - _MOST_FAULTS} more faults")
    raise ConfigError("\n".join(lines))


def _tame(tree: Mapping[str, object]) -> tuple[dict[str, object], list[Fault]]:
    """Return ``tree`` without what the validator chokes on, and a fault for each thing taken out.

    Those are: keys that are no text, text that is no UTF-8 (which could not be saved as TOML), numbers
    beyond TOML's 64 bits, and an optimizer's or a schedule's name that is no text, which the validator
    would print whole.
    """
    faults: list[Fault] = []

    def kept(path: tuple[object, ...], value: object) -> bool:
        text = ""
        if not isinstance(path[-1], str) or not _is_utf8(path[-1]):
            text = "a key must be UTF-8 text"
        elif isinstance(value, str) and not _is_utf8(value):
            text = f"must be UTF-8 text, not {shown(value)}"
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            text = f"must be a number of at most 64 bits, not {shown(value)}"
        elif isinstance(value, list | tuple) and not all(kept(path, item) for item in value if _is_plain(item)):
            return False
        if text:
            faults.append(Fault(dotted(path), text))
        return not text

    tamed: dict[str, object] = {}
    for section, value in tree.items():
        if not kept((section,), value):
            continue
        if not isinstance(value, Mapping):
            tamed[section] = value
            continue
        keys: dict[str, object] = {key: item for key, item in value.items() if kept((section, key), item)}
        if section in UNIONS and not isinstance(keys.get("name", ""), str):
            keys["name"] = ""
        tamed[section] = keys
    return tamed, faults


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_override(text: str) -> tuple[str, object]:
    """Return the dotted key and the value of a ``key=value`` word of the command line.

    The value is TOML where it reads as a truth value, a number, a string or an array; any other word is
    taken as text, so that ``model.name=resnet18`` needs no quotes.

    Raises:
        ConfigError: if there is no "=", the key is empty or odd, or a quote or bracket that the value begins
            with is not closed.
    """
    key, equals, word = text.partition("=")
    key, word = key.strip(), word.strip()
    if not equals:
        raise ConfigError(f"command line: {shown(text)} is no key=value, such as training.epochs=5")
    if not key:
        raise ConfigError(f"command line: {shown(text)} has no key before the =")
    if not _KEY.fullmatch(key):
        raise ConfigError(f"command line: {shown(key)} is no dotted key, such as training.epochs")
    return key, _value(key, word)


def _value(key: str, word: str) -> object:
    try:
        tree = tomli.loads(f"value = {word}")
    except tomli.TOMLDecodeError as error:
        if word[:1] in ("[", '"', "'"):
            raise ConfigError(f"command line: {key}: {shown(word)} is not valid TOML: {printable(error)}") from None
        return word
    except RecursionError:
        raise ConfigError(f"command line: {key}: {shown(word)} is nested too deeply") from None
    except ValueError:
        raise ConfigError(f"command line: {key}: {shown(word)} is too long a number") from None
    value = tree["value"]
    return value if len(tree) == 1 and isinstance(value, bool | int | float | str | list) else word


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, for completion in editors."""
    return Config.model_json_schema()
