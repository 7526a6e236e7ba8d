"""The keys that a user can change, by the names that settings give them."""

from __future__ import annotations

from textual.binding import Binding
from textual.dom import DOMNode


def bindings(kind: type[DOMNode] = DOMNode) -> dict[str, Binding]:
    """Return this program's bindings that have an id, by it: those of a class and of all classes made from it."""
    ours = kind.__module__.startswith("cifar_tui.")
    found = {
        binding.id: binding
        for binding in (vars(kind).get("BINDINGS", ()) if ours else ())
        if isinstance(binding, Binding) and binding.id
    }
    for each in kind.__subclasses__():
        found |= bindings(each)
    return found
