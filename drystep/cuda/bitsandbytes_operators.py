"""Operators of bitsandbytes' optimizers, registered like those of any other package once a program has imported it."""

import functools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Work, register_operator
from drystep.torch_private import schema_of

OPERATORS = ("optimizer_update_8bit_blockwise", "optimizer_update_32bit")
UNWRITTEN = frozenset({"g", "qmap1", "qmap2"})
"""Arguments that the kernels only read, though the schema says that they may be written (`csrc/kernels.cu`)."""


def register_bitsandbytes() -> None:
    """Register the operators if bitsandbytes is imported. Later calls do nothing."""
    if "bitsandbytes" in sys.modules:
        _register()


@functools.cache
def _register() -> None:
    for name in OPERATORS:
        if hasattr(torch.ops.bitsandbytes, name):
            register_operator(getattr(torch.ops.bitsandbytes, name).default, work=_update)


def _update(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One kernel that reads gradient, parameter and states once, and writes all but the gradient."""
    names = [argument.name for argument in schema_of(func).arguments]
    tensors = {**dict(zip(names, args, strict=False)), **kwargs}
    tensors = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
    moved = sum((1 if name in UNWRITTEN else 2) * tensor.nbytes for name, tensor in tensors.items())
    return Work("optimizer", 0, moved, 1, tensors["p"].dtype)
