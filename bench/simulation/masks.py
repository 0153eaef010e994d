"""Boolean masks as CUDA's kernels see them: as the indices of their true elements.

`expandTensors` in `aten/src/ATen/native/IndexingUtils.h`: a mask among the indices is replaced by the columns of its
`nonzero`, which stays in memory beside the result.
"""

from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
Arguments = tuple[Any, ...]


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _without_masks(indices: list[Tensor | None]) -> list[Tensor | None]:
    expanded: list[Tensor | None] = []
    for index in indices:
        if index is not None and _is_mask(index):
            expanded += torch.nonzero(index).unbind(1)
        else:
            expanded.append(index)
    return expanded


def _indexing(args: Arguments) -> Arguments:
    values, indices, *rest = args
    return (values, _without_masks(indices), *rest)


def _index_put(args: Arguments) -> Arguments:
    """Writing one value under one mask is `masked_fill_`, which needs no indices (`TensorAdvancedIndexing.cpp`)."""
    _, indices, values, *accumulate = args
    given = [index for index in indices if index is not None]
    if not any(accumulate) and values.numel() == 1 and len(given) == 1 and _is_mask(given[0]):
        return args
    return _indexing(args)


def _masked_select(args: Arguments) -> Arguments:
    values, mask = torch.broadcast_tensors(*args)
    return (values, _without_masks([mask]))


MASK_REWRITES = {
    aten.index.Tensor: _indexing,
    aten._unsafe_index.Tensor: _indexing,
    aten.index_put.default: _index_put,
    aten.index_put_.default: _index_put,
    aten._unsafe_index_put.default: _index_put,
    aten._index_put_impl_.default: _index_put,
    aten.masked_select.default: _masked_select,
}
"""Arguments after the masks are expanded."""

SAME_AS = {aten.masked_select.default: aten.index.Tensor}
"""Operators that are another one, once their arguments are rewritten."""
