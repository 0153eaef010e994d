"""Operators on meta tensors, each computed once per signature: a step repeats the same few hundred.

Meta kernels written in Python (layer norm, GELU, the foreach operators) take up to a millisecond, and a training step
calls them thousands of times with the same shapes.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from drystep.torch_private import key_of, schema_of, storage_key

META = torch.device("meta")
Arguments = tuple[Any, ...]
Layout = tuple[torch.Size, tuple[int, ...], torch.dtype]
Kind = Literal["view", "in_place", "functional"]
Answer = Callable[[Arguments], Any]
"""Makes the result of a call from its arguments, without the operator."""


class MetaCache:
    """Calls operators, and answers from memory where nothing but the layout of meta tensors is in question."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, Answer | None] = {}
        self._kinds: dict[Any, Kind] = {}

    def __call__(self, func: Any, args: Arguments, kwargs: dict[str, Any]) -> Any:
        """Same as `func(*args, **kwargs)`."""
        kind = self._kinds.get(func)
        if kind is None:
            kind = self._kinds[func] = _kind_of(func)
        if kind == "view":
            return func(*args, **kwargs)
        sign = _layouts_in if kind == "in_place" else _signature
        key = (func, sign(args), sign(tuple(kwargs.values())) if kwargs else None, *kwargs)
        try:
            answer = self._answers[key]
        except KeyError:
            result, self._answers[key] = _call_and_learn(func, args, kwargs)
            return result
        return func(*args, **kwargs) if answer is None else answer(args)


def _kind_of(func: Any) -> Kind:
    """What an operator does by its schema. Views are quick to make, and no answer could stand in for one."""
    schema = schema_of(func)
    if schema is None or func is torch.ops.aten._unsafe_view.default:
        return "view"
    if schema.is_mutable:
        return "in_place"
    return "view" if any(argument.alias_info for argument in schema.arguments) else "functional"


def _call_and_learn(func: Any, args: Arguments, kwargs: dict[str, Any]) -> tuple[Any, Answer | None]:
    """Call an operator, and find out from what it did how to answer the next time; None: by calling it again."""
    tensors = list(_tensors_in((args, kwargs)))
    before = [(_layout(tensor), storage_key(tensor)) for tensor in tensors]
    result = func(*args, **kwargs)
    if any(tensor.device != META for tensor in tensors):
        return result, None  # values on the host matter
    if before != [(_layout(tensor), storage_key(tensor)) for tensor in tensors]:
        return result, None
    if schema_of(func).is_mutable:
        if result is None:
            return result, _nothing
        return result, _first_argument if args and result is args[0] else None
    if _is_fresh(result, {storage for _, storage in before}):
        return result, _remembered(_layouts(result))
    return result, None


def _nothing(args: Arguments) -> None:
    """On meta tensors an in-place operator has nothing left to do."""


def _first_argument(args: Arguments) -> Any:
    return args[0]


def _remembered(layouts: Any) -> Answer:
    return lambda args: _restore(layouts)


def _signature(value: Any) -> Hashable:
    """What of an argument can matter for the layout of the result."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device.type
    if isinstance(value, tuple | list):
        return tuple([_signature(item) for item in value])
    return type(value), value


def _layouts_in(value: Any) -> Hashable:
    """What of an argument can matter for whether an in-place operator is allowed: no numbers, which change by step."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device.type
    if isinstance(value, tuple | list):
        return tuple([_layouts_in(item) for item in value])
    return type(value).__name__


def _is_fresh(result: Any, taken: set[int]) -> bool:
    """Whether all results are meta tensors that `empty_strided` would make, each in a storage of its own."""
    for tensor in result if isinstance(result, tuple | list) else (result,):
        if tensor is None:  # a gradient that nobody asked for
            continue
        if not isinstance(tensor, Tensor) or tensor.device != META:
            return False
        storage = tensor.untyped_storage()
        if key_of(storage) in taken or storage.nbytes() != _restore(_layout(tensor)).untyped_storage().nbytes():
            return False
        taken.add(key_of(storage))
    return True


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(item)


def _layout(tensor: Tensor) -> Layout:
    return tensor.shape, tensor.stride(), tensor.dtype


def _layouts(result: Any) -> Any:
    """Layouts of one result, of several, or of none where there is no tensor."""
    if isinstance(result, tuple | list):
        return tuple([_layouts(item) for item in result])
    return None if result is None else _layout(result)


def _restore(remembered: Any) -> Any:
    if remembered is None:
        return None
    if isinstance(remembered[0], torch.Size):
        size, stride, dtype = remembered
        return torch.empty_strided(size, stride, dtype=dtype, device=META)
    return tuple([_restore(layout) for layout in remembered])
