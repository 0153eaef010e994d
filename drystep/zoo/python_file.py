"""Training steps from a Python file, named as `FILE.py:NAME`."""

import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from drystep.errors import choose
from drystep.program.source_lines import line_of_error

KEYED = re.compile(r"(\w+)\[(.+)\]")
MODULE_NAME = "step_file"
"""Name under which the file is imported, since its own name need not be a valid module name."""


def load_function(target: str) -> Callable[..., Any]:
    """Return the function that `FILE.py:NAME` names, or that `FILE.py:NAMES[key]` finds in a mapping.

    Modules beside the file are found if its folder is on the path, as in the process that `drystep fit` starts. Raises
    `ValueError` for a file that cannot be imported, or a name that is not a function in it.
    """
    file, name, key = _parts(target)
    module = _import(Path(file))
    functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if not hasattr(module, name):
        choose(f"function in {file}", name, functions)
    function = getattr(module, name)
    if key is not None:
        if not isinstance(function, Mapping):
            raise ValueError(f"{file}:{name} has no {key!r}: it is not a mapping but {type(function).__name__}")
        function = function[choose(f"key of {file}:{name}", key, map(str, function))]
    if not callable(function):
        raise ValueError(f"{target} is not a function but {type(function).__name__}")
    return function


def _parts(target: str) -> tuple[str, str, str | None]:
    """File, name and key of `FILE.py:NAME` or `FILE.py:NAMES[key]`."""
    file, _, name = target.rpartition(":")
    match = KEYED.fullmatch(name)
    return (file, match[1], match[2].strip("\"'")) if match else (file, name, None)


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module  # dataclasses and pickle look a class's module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        line = line_of_error(error)
        said = next(iter(str(error).strip().splitlines()), "")
        raise ValueError(f"cannot import {path}: {type(error).__name__}: {said} at {line or path}") from error
    return module
