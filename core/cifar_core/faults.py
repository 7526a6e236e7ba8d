"""What is wrong with a configuration, in words: the validator's findings as sentences with suggestions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from cifar_core.config import Config, Section
from cifar_core.errors import printable
from cifar_core.wording import LONGEST, dotted, shown

_NUMBER = re.compile(r"[+-]?(\d{1,20}\.?\d{0,20}|\.\d{1,20})([eE][+-]?\d{1,2})?")
_FORMS = {
    "training.device": "auto, cpu, cuda, cuda:N (N a number) or mps",
    "data.mirrors": "an address that begins with https:// or http://",
}
_WANTED = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:.12g}",
    "greater_than_equal": "must be at least {ge:.12g}",
    "less_than": "must be less than {lt:.12g}",
    "less_than_equal": "must be at most {le:.12g}",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: with which dotted key ("" for the whole), and the rest of the sentence."""

    key: str
    text: str


def _kinds(section: str) -> dict[str, type[Section]]:
    annotation = Config.model_fields[section].annotation
    classes = get_args(annotation) or (annotation,)
    sections = [kind for kind in classes if isinstance(kind, type) and issubclass(kind, Section)]
    return {str(kind.model_fields["name"].default) if len(sections) > 1 else "": kind for kind in sections}


_SECTIONS = {section: kinds for section in Config.model_fields if (kinds := _kinds(section))}
UNIONS = tuple(section for section, kinds in _SECTIONS.items() if len(kinds) > 1)
"""The sections whose ``name`` decides which other keys they have."""


def allowed_keys(section: str, name: str) -> tuple[str, ...]:
    """Return the keys that ``section`` has when its ``name`` is this; none for an unknown section or name."""
    kinds = _SECTIONS.get(section, {})
    kind = kinds.get(name if section in UNIONS else "")
    return tuple(sorted(kind.model_fields)) if kind else ()


def explained(details: Mapping[str, Any], tree: Mapping[str, object]) -> Fault:
    """Return one of the validator's error records about ``tree`` in words."""
    return Fault(*_sentence(details, tree))


def _sentence(details: Mapping[str, Any], tree: Mapping[str, object]) -> tuple[str, str]:
    path: tuple[Any, ...] = details["loc"]
    if len(path) > 1 and path[0] in UNIONS:
        path = (path[0], *path[2:])  # the second is the union's tag, which is no key
    section = str(path[0]) if path else ""
    key, kind, value = dotted(path), details["type"], details["input"]
    context: Mapping[str, Any] = details.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return key, _unknown(path, tree)
        case "missing":
            needed = "" if isinstance(path[-1], int) else f", and {_name(section, tree)} needs it"
            return key, f"is missing{needed}"
        case "union_tag_invalid":
            given = _table(tree, section).get("name")
            return f"{key}.name", _one_of(list(_SECTIONS[section]), given)
        case "literal_error":
            return key, _one_of(re.findall(r"'([^']*)'", context["expected"]), value)
        case "value_error":
            text = printable(context["error"])
            named, colon, rest = text.partition(": ")
            return (f"{section}.{named}" if section else named, rest) if colon else (key, text)
        case "string_pattern_mismatch":
            form = _FORMS.get(key.partition("[")[0], f"of the form {context['pattern']}")
            return key, f"must be {form}, not {shown(value)}"
        case "string_type":
            hint = ": put it in quotes" if isinstance(value, int | float) else ""
            return key, f"must be text, not {shown(value)}{hint}"
        case "string_too_short" | "string_too_long":
            return key, f"{_length(context, 'character')}, not {len(value)}"
        case "too_short" | "too_long":
            return key, f"{_length(context, 'item')}, not {len(value)}"
        case _ if kind in _WANTED:
            return key, f"{_WANTED[kind].format(**context)}, not {shown(value)}{_reading(path, kind, value)}"
    return key, printable(details["msg"])


def _reading(path: tuple[Any, ...], kind: str, value: object) -> str:
    """Say what a text that stands in a wrong place may have been meant as."""
    if not isinstance(value, str):
        return ""
    if kind == "float_type" and _NUMBER.fullmatch(value):
        return f"; did you mean {float(value)!r}?"
    return f"; did you mean {path[0]}.name?" if len(path) == 1 and "name" in _keys(path[0]) else ""


def _length(context: Mapping[str, Any], thing: str) -> str:
    bound, number = "at most", context.get("max_length")
    if number is None:
        bound, number = "at least", context["min_length"]
    return f"must have {bound} {number} {thing}{'' if number == 1 else 's'}"


def _one_of(choices: list[str], given: object) -> str:
    near = _nearest(given, choices)
    hint = f"; did you mean {near}?" if near else ""
    return f"must be one of {', '.join(choices)}, not {shown(given)}{hint}"


def _table(tree: Mapping[str, object], section: str) -> Mapping[str, object]:
    table = tree.get(section)
    return table if isinstance(table, Mapping) else {}


def _name(section: str, tree: Mapping[str, object]) -> str:
    if section not in UNIONS:
        return section
    name = _table(tree, section).get("name", next(iter(_SECTIONS[section])))
    return name if isinstance(name, str) else shown(name)


def _keys(section: str) -> set[str]:
    return {key for kind in _SECTIONS.get(section, {}).values() for key in kind.model_fields}


def _nearest(word: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    if not isinstance(word, str) or len(word) > LONGEST:
        return ""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), 1, cutoff)), "")


def _unknown(path: tuple[Any, ...], tree: Mapping[str, object]) -> str:
    """Say that the key is unknown, what was meant, and what is allowed."""
    section, word = (str(path[0]), str(path[1])) if len(path) > 1 else ("", str(path[0]))
    name = _name(section, tree)
    known = allowed_keys(section, name) if section else tuple(sorted(Config.model_fields))
    owners = [kind for kind, fields in _SECTIONS.get(section, {}).items() if word in fields.model_fields]
    elsewhere = [f"{other}.{word}" for other in _SECTIONS if word in _keys(other)]
    if owners:
        several = f"{', '.join(owners[:-1])} and {owners[-1]} have it"
        hint = several if len(owners) > 1 else f"{owners[0]} has it"
    elif elsewhere:
        hint = f"did you mean {' or '.join(elsewhere)}?"
    elif near := _nearest(word, known, 0.8) or _nearest_anywhere(word) or _nearest(word, known):
        hint = f"did you mean {near}?"
    else:
        hint = ""
    judged = f" for {name}" if section in UNIONS else ""
    return f"unknown key{hint and '; ' + hint} (allowed{judged}: {', '.join(known)})"


def _nearest_anywhere(word: str) -> str:
    near = _nearest(word, {key for section in _SECTIONS for key in _keys(section)}, 0.8)
    return next((f"{section}.{near}" for section in _SECTIONS if near in _keys(section)), "") if near else ""
