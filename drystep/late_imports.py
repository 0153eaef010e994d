"""Names of a package that are imported when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_imports(package: str, modules: Mapping[str, str], namespace: dict[str, Any]) -> Callable[[str], object]:
    """A module's `__getattr__` (PEP 562) that finds `modules`: name -> the module that defines it.

    What was found is kept in the package's `namespace`. Raises `AttributeError` for any other name.
    """

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        namespace[name] = getattr(import_module(modules[name]), name)
        return namespace[name]

    return find
