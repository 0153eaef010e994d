"""Redirection of Python functions of PyTorch, wherever a program has imported them before.

A name in a module can be replaced only for those who look it up later. Whoever wrote `from torch.cuda import
synchronize` holds the function itself, so its code is replaced instead.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any


def _trampoline(*args: Any, _replacement: Callable[..., Any], **kwargs: Any) -> Any:
    return _replacement(*args, **kwargs)


def can_redirect(function: Any) -> bool:
    """Whether a function is written in Python and uses no variables of a surrounding function."""
    return isinstance(function, FunctionType) and not function.__closure__


def copy_of(function: Any) -> Callable[..., Any]:
    """A function that does what this one does now, to be called while it is redirected."""
    copied = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


@contextmanager
def redirected(replacements: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
    """Make calls of each function call its replacement until the context ends, in all threads.

    `can_redirect` must be true of the functions.
    """
    before = [(function, function.__code__, function.__kwdefaults__) for function in replacements]
    try:
        for function, replacement in replacements.items():
            function.__code__ = _trampoline.__code__
            function.__kwdefaults__ = {"_replacement": replacement}
        yield
    finally:
        for function, code, defaults in before:
            function.__code__, function.__kwdefaults__ = code, defaults
