"""A cache for operators on meta tensors, which computes each of them once per signature.

Meta kernels written in Python (layer norm, GELU, the foreach operators) take up to a millisecond, and a training step
calls them thousands of times with the same few hundred signatures.
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
"""Makes the result of a call from its arguments, without running the operator."""
Call = Callable[[Any, Arguments, dict[str, Any]], Any]
"""Runs an operator with arguments."""
Numbers = frozenset[int | str]
"""Positions and names of an operator's arguments whose value does not affect the layout of its results."""

RESIZING = {"aten::_resize_output_", "aten::set_data"}
"""In-place operators that change the layout of an argument, besides those that PyTorch tags `inplace_view`."""
CONSTANTS = {
    type(None), bool, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format,
    torch.Generator,
}  # fmt: skip
"""Types of arguments that can be part of a key, because nothing about them changes between two calls."""


def _call(func: Any, args: Arguments, kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


class MetaCache:
    """Calls operators, and answers from the cache where a call only depends on the layouts of meta tensors.

    `call` runs an operator that has no answer yet.
    """

    def __init__(self, call: Call = _call) -> None:
        self._run = call
        self._answers: dict[Any, dict[Hashable, Answer | None]] = {}
        self._numbers: dict[Any, Numbers | None] = {}

    def __call__(self, func: Any, args: Arguments, kwargs: dict[str, Any]) -> Any:
        """Same as `call(func, args, kwargs)`."""
        try:
            numbers = self._numbers[func]
        except KeyError:
            numbers = self._numbers[func] = _numbers_of(func) if _is_cacheable(func) else None
            self._answers[func] = {}
        if numbers is None:
            return self._run(func, args, kwargs)
        answers = self._answers[func]
        try:
            key = _key(args, kwargs, numbers)
            answer = answers.get(key, _not_yet)
        except (TypeError, RuntimeError):  # symbolic sizes, nested tensors and objects with a state have no key
            return self._run(func, args, kwargs)
        if answer is _not_yet:
            result, answers[key] = _call_and_learn(self._run, func, args, kwargs)
            return result
        return self._run(func, args, kwargs) if answer is None else answer(args)


def _is_cacheable(func: Any) -> bool:
    """Whether the layouts of an operator's results follow from the layouts and constants that it is given.

    Views are excluded: they are cheap, and a cached answer cannot share the storage of an argument. An operator that
    changes the layout of its arguments has to run each time; operators of other packages that write to their arguments
    might do that.
    """
    schema = schema_of(func)
    if schema is None or not (schema.returns or schema.is_mutable):  # without results, it is called for its effects
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
    """Arguments of an in-place operator that its kernel computes with, which optimizers change in every step.

    The schema distinguishes these numbers from sizes and dimensions, which have the type `int`. A number may also be
    passed in the place of a tensor.
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


def _call_and_learn(run: Call, func: Any, args: Arguments, kwargs: dict[str, Any]) -> tuple[Any, Answer | None]:
    """Call an operator; return its result, and how to answer the next time. None means that it must be called again."""
    tensors = list(_tensors_in((args, kwargs)))
    if not all(map(_is_meta, tensors)):  # the result may depend on values on the host
        return run(func, args, kwargs), None
    before = [_state(tensor) for tensor in tensors]
    result = run(func, args, kwargs)
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
    """Placeholder for an answer that is not known yet."""


def _nothing(args: Arguments) -> None:
    """Answer of an in-place operator that returns nothing: on meta tensors it has nothing to do."""


def _first_argument(args: Arguments) -> Any:
    return args[0]


def _remembered(layouts: Any) -> Answer:
    return lambda args: _restore(layouts)


def _key(args: Arguments, kwargs: dict[str, Any], numbers: Numbers) -> Hashable:
    """Everything about a call that can affect the layouts of its results. Raises `TypeError` where that is unknown."""
    by_name = tuple([(name, _signature(value, name in numbers)) for name, value in kwargs.items()]) if kwargs else ()
    by_position = tuple([_signature(value, position in numbers) for position, value in enumerate(args)])
    return torch.get_default_dtype(), by_position, by_name


def _signature(value: Any, is_number: bool) -> Hashable:
    """Everything about an argument that can affect the layouts of the results.

    Of a number that a kernel computes with, this is its type and sign, because kernels reject some. The offset of a
    tensor in its storage, and the tensors that share this storage, are left out: meta kernels check neither for
    overlaps nor for the end of a storage.
    """
    if isinstance(value, Tensor):
        return type(value), value.shape, value.stride(), value.dtype, value.device, value.layout
    if isinstance(value, tuple | list):
        return tuple([_signature(item, is_number) for item in value])
    kind = type(value)
    if is_number and (kind is float or kind is int):
        return kind, (value > 0) - (value < 0)
    if kind is float and math.isnan(value):  # NaN is not equal to itself, so it would never be found
        return kind, "nan"
    if kind not in CONSTANTS:
        raise TypeError(f"nobody knows what of a {kind} matters")
    return kind, value


def _is_meta(tensor: Tensor) -> bool:
    """Whether a tensor is fully described by its layout."""
    return tensor.device == META and tensor.layout == torch.strided and not tensor.is_quantized


def _is_fresh(result: Any, taken: set[int]) -> bool:
    """Whether all results are meta tensors that `empty_strided` would make, each in a storage of its own."""
    for tensor in result if isinstance(result, tuple | list) else (result,):
        if tensor is None:  # a gradient that was not requested
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
    """Everything that an operator could change about a meta tensor."""
    return _layout(tensor), tensor.storage_offset(), storage_key(tensor), tensor.untyped_storage().nbytes()


def _layouts(result: Any) -> Any:
    """Layout of one result or of several, with None in the place of a missing tensor."""
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
