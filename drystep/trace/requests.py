"""Calls that may request workspaces, as a trace keeps them: their arguments without values, comparable."""

from typing import Any

from torch import Tensor

from drystep.trace.trace import Request, TensorForm, Trace


def note_request(trace: Trace, call: Any, arguments: tuple[Any, ...], in_backward: bool) -> None:
    """Note a call of the latest operator, before the workspaces that it requests."""
    forms = tuple(described(argument) for argument in arguments)
    trace.requests.append(Request(len(trace.events), len(trace.operators) - 1, call, forms, in_backward))


def described(argument: Any) -> Any:
    """An argument with the form of each tensor in its place, and tuples in the place of lists."""
    if isinstance(argument, Tensor):
        return TensorForm(tuple(argument.shape), argument.stride(), argument.dtype)
    if isinstance(argument, tuple | list):
        return tuple(described(each) for each in argument)
    return argument
