"""Sizes of an operator's tensors, as the rules that count its work read them."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

Layout = Literal["nchw", "nhwc"]


def bytes_of(tensor: Tensor | None) -> int:
    """Distinct bytes of a tensor. Elements that `expand` repeats are read from memory once, then from a cache."""
    if tensor is None:
        return 0
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def bytes_of_all(values: Any) -> int:
    """Distinct bytes of all tensors within nested lists."""
    return sum(map(bytes_of, tensors_in(values)))


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors within nested lists, in order."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)


def layout_of(*maps: Tensor | None) -> Layout:
    """ "nhwc" if the first of these maps that is only one of both is channels last."""
    for tensor in maps:
        if tensor is None or tensor.dim() != 4 or tensor.numel() == 0:
            continue
        first, last = tensor.is_contiguous(), tensor.is_contiguous(memory_format=torch.channels_last)
        if first != last:
            return "nhwc" if last else "nchw"
    return "nchw"


def padded(length: int, tile: int) -> int:
    """The length, filled up to whole tiles."""
    return math.ceil(length / tile) * tile


def power_of_two(length: int) -> int:
    """The least power of two that is not below the length."""
    return 1 << max(0, length - 1).bit_length()


def is_plain(tensor: Tensor) -> bool:
    """Whether the values lie in memory without gaps, channels first or last."""
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def same_order(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors hold their values in the same order, without gaps."""
    if left.shape != right.shape:
        return False
    if left.is_contiguous() and right.is_contiguous():
        return True
    if left.dim() != 4:
        return False
    return all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in (left, right))
