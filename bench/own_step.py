"""A function of the user's own, from `FILE.py:NAME`."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.own_modules import OUR_FOLDERS
from bench.simulation.places import place_of_error
from models.naming import choose

MODULE_NAME = "own_step_of_user"


@contextmanager
def loaded(target: str) -> Iterator[Callable[..., Any]]:
    """The function that `FILE.py:NAME` names, while modules beside the file can be imported as if it were run."""
    file, colon, name = target.rpartition(":")
    if not (file and colon and name):
        raise ValueError(f"module {target!r} is not FILE.py:NAME, such as train.py:build_step")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"cannot read {file}: no such file")
    with _as_if_run(path.resolve().parent):
        module = _import(path)
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        if not hasattr(module, name):
            choose(f"function in {file}", name, functions)
        build_step = getattr(module, name)
        if not callable(build_step):
            raise ValueError(f"{target} is no function but {type(build_step).__name__}")
        yield build_step


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        place = place_of_error(error)
        said = next(iter(str(error).strip().splitlines()), "")
        raise ValueError(f"cannot import {path}: {type(error).__name__}: {said} at {place or path}") from error
    return module


@contextmanager
def _as_if_run(folder: Path) -> Iterator[None]:
    """Import from this folder first, also where it has a module of the name of one of ours."""
    path, modules = list(sys.path), dict(sys.modules)
    theirs = {
        name for name in OUR_FOLDERS
        if ((folder / f"{name}.py").exists() or (folder / name).is_dir()) and not _is_ours(folder / name)
    }  # fmt: skip
    hidden = [name for name in sys.modules if name.partition(".")[0] in theirs]
    for name in hidden:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] in theirs]:
            del sys.modules[name]
        sys.modules.update({name: modules[name] for name in hidden})
        sys.modules.pop(MODULE_NAME, None)


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and folder == Path(__file__).parents[1] / folder.name
