"""Changes of PyTorch's private parts that few programs need: where a part is missing, only its feature is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

from drystep.cuda.api.redirection import can_redirect, redirected
from drystep.torch_private import MissingTorchPartError


@contextmanager
def where_parts_exist(change: Callable[[], AbstractContextManager[Any]], *users: tuple[Any, str]) -> Iterator[None]:
    """Enter `change()`, or change nothing if the installed PyTorch lacks a part of it.

    In that case each of `users`, which are the owner and the name of a function, raises the `MissingTorchPartError`
    when a program calls it. Without users, PyTorch itself refuses the feature.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(change())
        except MissingTorchPartError as error:
            for owner, name in users:
                stack.enter_context(_refused(owner, name, error))
        yield


def _refused(owner: Any, name: str, error: MissingTorchPartError) -> AbstractContextManager[Any]:
    def refuse(*_: object, **__: object) -> None:
        raise error

    function = getattr(owner, name)
    return redirected({function: refuse}) if can_redirect(function) else mock.patch.object(owner, name, refuse)
