"""How values and configurations are written as TOML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cifar_core.config import Config


def toml_value(value: object) -> str:
    """Return a value of a configuration as TOML reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"a configuration holds no {type(value).__name__}")


def toml_text(tree: Mapping[str, object]) -> str:
    """Return a tree of keys and tables of keys as TOML, the keys first."""
    keys = [f"{key} = {toml_value(value)}\n" for key, value in tree.items() if not isinstance(value, Mapping)]
    tables = [
        f"\n[{section}]\n" + "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items())
        for section, table in tree.items()
        if isinstance(table, Mapping)
    ]
    return "".join(keys + tables)


def whole_tree(config: Config) -> dict[str, object]:
    """Return all that a configuration says, nested; a section's name comes first."""
    tree: dict[str, object] = {}
    for section, value in config.model_dump().items():
        tree[section] = {"name": value["name"], **value} if isinstance(value, dict) and "name" in value else value
    return tree


def whole_text(config: Config) -> str:
    """Return all that a configuration says as TOML; what is None is left out, since TOML has no word for it."""
    tree: dict[str, object] = {}
    for section, value in whole_tree(config).items():
        if isinstance(value, dict):
            tree[section] = {key: item for key, item in value.items() if item is not None}
        else:
            tree[section] = value
    return toml_text(tree)


def leaves(config: Config) -> Iterator[tuple[str, object]]:
    """Return every dotted key of a configuration with its value, in the order of the sections."""
    for section, value in whole_tree(config).items():
        if isinstance(value, dict):
            yield from ((f"{section}.{key}", item) for key, item in value.items())
        else:
            yield section, value
