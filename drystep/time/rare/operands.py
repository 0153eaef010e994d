"""What the rules of rarer operators share: arguments by name, operators by name, and the bytes of nested tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.time.tensors import bytes_of_all, tensors_in
from drystep.torch_private import schema_of

INDEX_BYTES = 8
"""Size of an index (int64)."""


def named(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call by their names in the operator's schema. Those that were left out have their defaults."""
    parameters = schema_of(func).arguments
    values = {parameter.name: parameter.default_value for parameter in parameters if parameter.has_default_value()}
    return values | dict(zip((parameter.name for parameter in parameters), args, strict=False)) | dict(kwargs)


def operators(names: str) -> frozenset[Any]:
    """The operators of PyTorch with these names, separated by spaces. Those that this version lacks are left out."""
    return frozenset(getattr(torch.ops.aten, name) for name in names.split() if hasattr(torch.ops.aten, name))


def name_of(func: Any) -> str:
    """Name of an operator without its overload, such as "upsample_nearest2d"."""
    return str(func.__name__).partition(".")[0]


def bytes_in(*values: Any) -> int:
    """Distinct bytes of all tensors among values and in their lists. What `expand` repeats is read from memory once."""
    return bytes_of_all(list(values))


def first_of(result: Any) -> Tensor:
    """The first tensor of a result."""
    return next(tensors_in(result))
