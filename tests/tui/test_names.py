"""No widget of ours overrides, by chance, a method that its base class keeps for itself."""

import importlib
import inspect
import pkgutil

import pytest
from textual.message_pump import MessagePump

import cifar_tui

MEANT = {("CifarApp", "_handle_exception"), ("Room", "_screen_resized"), ("Driver", "_get_terminal_size")}


def ours():
    found = set()
    for module in pkgutil.walk_packages(cifar_tui.__path__, "cifar_tui."):
        if module.name.endswith("__main__"):
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, MessagePump) and kind.__module__.startswith("cifar_tui."):
                found.add(kind)
    return sorted(found, key=lambda kind: kind.__qualname__)


def foreign_names(kind):
    return {
        name
        for base in kind.__mro__[1:]
        if not base.__module__.startswith("cifar_tui.")
        for name in {*vars(base), *getattr(base, "__annotations__", {})}
        if name.startswith("_") and not name.startswith("__")
    }


def given_names(kind):
    """Names of its methods, and of what its code sets on itself."""
    codes = [member.__code__ for member in vars(kind).values() if inspect.isfunction(member)]
    source = inspect.getsource(kind)
    set_here = {
        name for code in codes for name in code.co_names if f"self.{name} = " in source or f"self.{name}: " in source
    }
    methods = {
        name for name, member in vars(kind).items() if inspect.isfunction(member) or isinstance(member, property)
    }
    return {name for name in methods | set_here if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize("kind", ours(), ids=lambda kind: kind.__qualname__)
def test_private_names_are_not_taken_from_the_library(kind):
    instance_names = foreign_names(kind) | {
        name
        for base in kind.__mro__[1:]
        if not base.__module__.startswith("cifar_tui.") and "__init__" in vars(base)
        for name in getattr(vars(base)["__init__"], "__code__", (lambda: 0).__code__).co_names
        if name.startswith("_") and not name.startswith("__")
    }
    taken = {name for name in given_names(kind) & instance_names if (kind.__name__, name) not in MEANT}
    assert not taken
