"""The keys that a user can change, by the names that settings give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode


def bindings() -> dict[str, Binding]:
    """Return this program's bindings that have an id, by it; those of screens that were imported."""
    return {name: binding for kind in _kinds(DOMNode) for name, binding in _own(kind).items()}


def wrong_keys(keys: Mapping[str, str]) -> list[str]:
    """Return a sentence for each name that is no binding's, and for each two of one screen that share a key."""
    known = bindings()
    wrong = [f"keys: there is no {name}" for name in keys if name not in known]
    for kind in _kinds(DOMNode):
        taken: dict[str, str] = {}
        for name, binding in _own(kind).items():
            for key in keys.get(name, binding.key).split(","):
                other = taken.setdefault(key.strip(), name)
                if other != name and {name, other} & {*keys}:
                    wrong.append(f"keys: {key.strip()} is both {other} and {name}, of which only one is reached by it")
    return wrong


def _kinds(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("cifar_tui."):
            yield each
        yield from _kinds(each)


def _own(kind: type[DOMNode]) -> dict[str, Binding]:
    found = vars(kind).get("BINDINGS", ())
    return {binding.id: binding for binding in found if isinstance(binding, Binding) and binding.id}
