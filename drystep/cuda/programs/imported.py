"""Changes of other packages' modules, now or when a program first imports them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Change = Callable[[ModuleType, ExitStack], None]
"""Changes a module, and puts onto the stack what undoes it."""


class _Finder(MetaPathFinder):
    """Changes modules as soon as they are imported."""

    def __init__(self, changes: dict[str, Change], undo: ExitStack) -> None:
        self._changes = changes
        self._undo = undo

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module that is to be changed as all others find it."""
        change = self._changes.get(name)
        if change is None:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module, self._undo)

        loader.exec_module = execute_and_change
        return spec


@contextmanager
def changed_modules(changes: dict[str, Change]) -> Iterator[None]:
    """Change the modules with these names until the context ends, those too that are imported in it."""
    with ExitStack() as undo:
        for name, change in changes.items():
            if name in sys.modules:
                change(sys.modules[name], undo)
        finder = _Finder(changes, undo)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
