"""Our packages inside somebody else's program, which may have a `models` of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

OUR_FOLDERS = ("models", "baselines", "e3va", "reports")
"""Packages of ours whose names a user's own modules may well have."""
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def ours_first() -> Iterator[None]:
    """Import our packages here, and theirs as before everywhere else. What was imported here keeps what it found."""
    theirs = {name for name in OUR_FOLDERS if _is_theirs(name)}
    if not theirs:
        yield
        return
    hidden = _loaded(theirs)
    for name in hidden:
        del sys.modules[name]
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))
        for name in _loaded(theirs):
            del sys.modules[name]
        sys.modules.update(hidden)


def _is_theirs(name: str) -> bool:
    """Whether `import name` gives the program something that is not ours."""
    spec = getattr(sys.modules.get(name), "__spec__", None) or PathFinder.find_spec(name)
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return not any(Path(place).resolve().is_relative_to(ROOT / name) for place in places)


def _loaded(packages: set[str]) -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in packages}
