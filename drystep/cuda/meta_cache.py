"""Operators on meta tensors, each computed once per signature: a step repeats the same few hundred.

Meta kernels written in Python (layer norm, GELU, the foreach operators) take up to a millisecond, and a training step
calls them thousands of times with the same shapes.
"""

import math
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch
from torch import Tensor

from drystep.torch_private import key_of, schema_of, storage_key

META = torch.device("meta")
Arguments = tuple[Any, ...]
Layout = tuple[torch.Size, tuple[int, ...], torch.dtype]
Answer = Callable[[Arguments], Any]
"""Makes the result of a call from its arguments, without the operator."""
Numbers = frozenset[int | str]
"""Positions and names of an operator's arguments whose value does not matter."""

RESIZING = {"aten::_resize_output_", "aten::set_data"}
"""In-place operators that change the layout of an argument, beside those that PyTorch tags `inplace_view`."""
CONSTANTS = {
    type(None), bool, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format,
    torch.Generator,
}  # fmt: skip
"""Types of arguments that are what they are: nothing about them changes between two calls."""


class MetaCache:
    """Calls operators, and answers from memory where nothing but the layout of meta tensors is in question."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, Answer | None] = {}
        self._numbers: dict[Any, Numbers | None] = {}

    def __call__(self, func: Any, args: Arguments, kwargs: dict[str, Any]) -> Any:
        """Same as `func(*args, **kwargs)`."""
        try:
            numbers = self._numbers[func]
        except KeyError:
            numbers = self._numbers[func] = _numbers_of(func) if _is_cacheable(func) else None
        if numbers is None:
            return func(*args, **kwargs)
        try:
            key = _key(func, args, kwargs, numbers)
            answer = self._answers.get(key, _not_yet)
        except (TypeError, RuntimeError):  # symbolic sizes, nested tensors, objects with a state: nothing for a key
            return func(*args, **kwargs)
        if answer is _not_yet:
            result, self._answers[key] = _call_and_learn(func, args, kwargs)
            return result
        return func(*args, **kwargs) if answer is None else answer(args)


def _is_cacheable(func: Any) -> bool:
    """Whether the layouts that an operator leaves behind follow from the layouts and constants that it gets.

    Views are quick to make, and no answer could stand in for one. What changes the layout of its arguments has to do
    so each time; operators of other packages that write to their arguments might.
    """
    schema = schema_of(func)
    if schema is None or not (schema.returns or schema.is_mutable):  # without results, it is there for its effects
        return False
    if schema.is_mutable:
        return (
            func.namespace == "aten"
            and torch.Tag.inplace_view not in func.tags
            and schema.name not in RESIZING
            and not any(argument.is_out for argument in schema.arguments)
        )
    return schema.name != "aten::_unsafe_view" and not any(argument.alias_info for argument in schema.arguments)


def _numbers_of(func: Any) -> Numbers:
    """Arguments of an in-place operator that its kernel computes with: optimizers have new ones in every step.

    The schema tells them from sizes and dimensions, which are `int`. A number may stand for a tensor, too.
    """
    schema = schema_of(func)
    if not schema.is_mutable:
        return frozenset()
    found = [
        (position, argument.name)
        for position, argument in enumerate(schema.arguments)
        if "number" in str(argument.type) or str(argument.type) == "Tensor"
    ]
    return frozenset(place for places in found for place in places)


def _call_and_learn(func: Any, args: Arguments, kwargs: dict[str, Any]) -> tuple[Any, Answer | None]:
    """Call an operator, and find out from what it did how to answer the next time; None: by calling it again."""
    tensors = list(_tensors_in((args, kwargs)))
    if not all(map(_is_meta, tensors)):  # values on the host matter
        return func(*args, **kwargs), None
    before = [_state(tensor) for tensor in tensors]
    result = func(*args, **kwargs)
    if before != [_state(tensor) for tensor in tensors]:
        return result, None
    if schema_of(func).is_mutable:
        if result is None:
            return result, _nothing
        return result, _first_argument if args and result is args[0] else None
    if _is_fresh(result, {storage_key(tensor) for tensor in tensors}):
        return result, _remembered(_layouts(result))
    return result, None


def _not_yet(args: Arguments) -> None:
    """Stands for an answer that is still to be found."""


def _nothing(args: Arguments) -> None:
    """On meta tensors an in-place operator has nothing left to do."""


def _first_argument(args: Arguments) -> Any:
    return args[0]


def _remembered(layouts: Any) -> Answer:
    return lambda args: _restore(layouts)


def _key(func: Any, args: Arguments, kwargs: dict[str, Any], numbers: Numbers) -> Hashable:
    """What of a call can matter for the layout of the results. Raises `TypeError` where that cannot be said."""
    by_name = tuple([(name, _signature(value, name in numbers)) for name, value in kwargs.items()]) if kwargs else ()
    by_position = tuple([_signature(value, position in numbers) for position, value in enumerate(args)])
    return func, torch.get_default_dtype(), by_position, by_name


def _signature(value: Any, is_number: bool) -> Hashable:
    """What of an argument can matter. Of numbers that a kernel computes with, that is type and sign: some are refused.

    Where an argument begins in its storage, and who shares that, is no matter: meta kernels look
    neither for overlaps nor for the end of a storage.
    """
    if isinstance(value, Tensor):
        return type(value), value.shape, value.stride(), value.dtype, value.device, value.layout
    if isinstance(value, tuple | list):
        return tuple([_signature(item, is_number) for item in value])
    kind = type(value)
    if is_number and (kind is float or kind is int):
        return kind, (value > 0) - (value < 0)
    if kind is float and math.isnan(value):  # which is not even equal to itself
        return kind, "nan"
    if kind not in CONSTANTS:
        raise TypeError(f"nobody knows what of a {kind} matters")
    return kind, value


def _is_meta(tensor: Tensor) -> bool:
    """Whether there is nothing to a tensor but a layout."""
    return tensor.device == META and tensor.layout == torch.strided and not tensor.is_quantized


def _is_fresh(result: Any, taken: set[int]) -> bool:
    """Whether all results are meta tensors that `empty_strided` would make, each in a storage of its own."""
    for tensor in result if isinstance(result, tuple | list) else (result,):
        if tensor is None:  # a gradient that nobody asked for
            continue
        if type(tensor) is not Tensor or not _is_meta(tensor) or tensor.is_conj() or tensor.is_neg():
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


def _state(tensor: Tensor) -> Hashable:
    """All that an operator could change about a meta tensor."""
    return _layout(tensor), tensor.storage_offset(), storage_key(tensor), tensor.untyped_storage().nbytes()


def _layouts(result: Any) -> Any:
    """Layouts of one result, of several, or of none where there is no tensor."""
    if isinstance(result, tuple | list):
        return type(result)([_layouts(item) for item in result])
    return None if result is None else _layout(result)


def _restore(remembered: Any) -> Any:
    if remembered is None:
        return None
    if remembered and isinstance(remembered[0], torch.Size):
        size, stride, dtype = remembered
        return torch.empty_strided(size, stride, dtype=dtype, device=META)
    return type(remembered)([_restore(layout) for layout in remembered])
