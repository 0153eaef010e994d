"""Calls made once more with other numbers in their arguments, on tensors without values."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from drystep.cuda.rules import Rules
from drystep.cuda.workspaces import Workspaces
from drystep.operators import Workspace
from drystep.trace.trace import TensorForm


def split_numbers(argument: Any) -> tuple[Any, tuple[int, ...]]:
    """Arguments with 0 in the place of each whole number, and these numbers in order."""
    if isinstance(argument, TensorForm):
        shape, stride = argument.shape, argument.stride
        return TensorForm((0,) * len(shape), (0,) * len(stride), argument.dtype), (*shape, *stride)
    if isinstance(argument, tuple):
        parts = [split_numbers(each) for each in argument]
        return tuple(form for form, _ in parts), tuple(number for _, numbers in parts for number in numbers)
    return (0, (argument,)) if type(argument) is int else (argument, ())


def join_numbers(argument: Any, numbers: Iterator[int]) -> Any:
    """Arguments with numbers in the place of each 0, and with tensors that have no values."""
    if isinstance(argument, TensorForm):
        shape = [next(numbers) for _ in argument.shape]
        stride = [next(numbers) for _ in argument.stride]
        return torch.empty_strided(shape, stride, dtype=argument.dtype, device="meta")
    if isinstance(argument, tuple):
        return tuple(join_numbers(each, numbers) for each in argument)
    return next(numbers) if type(argument) is int else argument


def requested(
    rules: Rules, call: Any, arguments: tuple[Any, ...], numbers: tuple[int, ...], in_backward: bool
) -> Sequence[Workspace]:
    """The workspaces of a call with such numbers in its arguments."""
    return list(Workspaces(rules)(call, join_numbers(arguments, iter(numbers)), in_backward))


def returned_bytes(call: Any, arguments: tuple[Any, ...], numbers: tuple[int, ...]) -> Sequence[int]:
    """Bytes of the storages that a call with such numbers in its arguments returns, without empty ones."""
    results = call(*join_numbers(arguments, iter(numbers)))
    return [size_bytes for tensor in results if (size_bytes := tensor.untyped_storage().nbytes())]
