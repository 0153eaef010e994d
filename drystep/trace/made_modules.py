"""Modules that a program makes, also by `copy.deepcopy`, whether or not they ever run."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from torch import nn


@contextmanager
def noting_modules(note: Callable[[nn.Module], None]) -> Iterator[None]:
    """Call `note` with every module that is made until the context ends.

    A copy is not initialized, but given the state of its original.
    """
    begin, set_state = nn.Module.__init__, nn.Module.__setstate__

    def noted_init(module: nn.Module, *args: Any, **kwargs: Any) -> None:
        begin(module, *args, **kwargs)
        note(module)

    def noted_set_state(module: nn.Module, state: Any) -> None:
        set_state(module, state)
        note(module)

    with mock.patch.multiple(nn.Module, __init__=noted_init, __setstate__=noted_set_state):
        yield


class MadeModules:
    """Notes every module that is made while it is `watching`, and keeps none alive."""

    def __init__(self) -> None:
        self._made: list[weakref.ref[nn.Module]] = []

    def watching(self) -> AbstractContextManager[None]:
        """Note modules until the context ends."""
        return noting_modules(lambda module: self._made.append(weakref.ref(module)))

    def take(self) -> list[nn.Module]:
        """The modules that were made since the last call and are alive."""
        made, self._made = self._made, []
        return [module for reference in made if (module := reference()) is not None]
