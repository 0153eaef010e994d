"""Operators that choose places by indices or masks, write to them, or draw them at random.

An atomic addition reads and writes its place. Operators that are not in place first copy what they write into.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Work, WorkRule
from drystep.time.rare.operands import INDEX_BYTES, bytes_in, name_of, named, operators
from drystep.time.rare.ordering import Passes, bits_of, radix_sort

FEW_INDICES = 3072
"""Most indices whose gradients are added to the rows of an embedding without a sort (`cuda/Embedding.cu`)."""
ROWS_PER_PART = 10
"""Gradients of one row that a part of the sum adds (`NROWS_PER_THREAD` in `cuda/EmbeddingBackwardKernel.cu`)."""
SUM_BYTES = 4
"""Size of a partial sum (float32)."""
LARGEST_OF_BAG = 2
"""The mode of an embedding bag that keeps the largest values."""


def _copied(func: Any, target: Tensor) -> Passes:
    """The copy that an operator makes of what it writes into, unless it is in place."""
    return Passes(0, 0) if name_of(func).endswith("_") else Passes(2 * bytes_in(target), 1)


def _placed(passes: Passes, like: Tensor, items: int, group: str = "scatter") -> Work:
    return Work("gather", 0, passes.moved_bytes, passes.kernels, like.dtype, group=group, items=items)


def _scatter(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Reads indices and as many values, and writes them, or adds them atomically (`cuda/ScatterGatherKernel.cu`).

    Without the values that lie there, `scatter_reduce` first writes the neutral one to the same places. A mean also
    adds ones to a tensor of ones, and divides by it (`scatter_reduce_two` in `TensorAdvancedIndexing.cpp`).
    """
    given = named(func, args, kwargs)
    target, index, reduce = given["self"], given["index"], given.get("reduce")
    size = target.element_size()
    adds = reduce is not None or name_of(func).startswith("scatter_add")
    read = index.numel() * size if isinstance(given.get("src"), Tensor) else 0
    once = bytes_in(index) + index.numel() * size
    passes = _copied(func, target) + Passes(once + read + (index.numel() * size if adds else 0), 1)
    if not given.get("include_self", True):
        passes += Passes(once, 1)
    if reduce == "mean":
        passes += Passes(once + 2 * index.numel() * size + 4 * bytes_in(target), 3)
    return _placed(passes, target, index.numel())


def _index_rows(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Reads indices and slices, and writes them or adds them atomically (`cuda/Indexing.cu`)."""
    given = named(func, args, kwargs)
    target, index, dim = given["self"], given["index"], given["dim"]
    values = index.numel() * (target.numel() // max(1, target.shape[dim])) if target.dim() else 1
    adds = name_of(func).startswith(("index_add", "index_reduce"))
    moved = bytes_in(index, given.get("source")) + values * target.element_size() * (2 if adds else 1)
    return _placed(_copied(func, target) + Passes(moved, 1), target, values)


def _put(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """`put` writes or adds single values; `take` reads them (`cuda/IndexKernel.cu`)."""
    given = named(func, args, kwargs)
    index, like = given["index"], given["self"]
    passes = 2 + bool(given.get("accumulate"))  # over the values at these places, and those that are read or written
    copied = Passes(0, 0) if name_of(func) == "take" else _copied(func, like)
    moved = bytes_in(index) + passes * index.numel() * like.element_size()
    return _placed(copied + Passes(moved, 1), like, index.numel())


def _index_put(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Writes values at the places that indices name (`index_put_kernel_impl`), or adds them after a sort.

    With `accumulate`, indices are wrapped and joined to one per place (for each tensor of indices twice read and
    written), numbered, and radix-sorted by the bits that they use; then one kernel reads places and values in their
    order, and reads and writes the target (`index_put_with_sort_kernel` in `cuda/Indexing.cu`). A mask is first turned
    into indices. If the values do not tell how many it has, it has all.
    """
    given = named(func, args, kwargs)
    target, values = given["self"], given["values"]
    indices = [index for index in given["indices"] if index is not None]
    masks = [index for index in indices if _is_mask(index)]
    covered, dim = 1, 0
    for index in given["indices"]:
        sides = index.dim() if index is not None and _is_mask(index) else 1
        covered *= math.prod(target.shape[dim : dim + sides]) if index is not None else 1
        dim += sides
    slice_values = target.numel() // max(1, covered)
    places = _places(indices, masks, values, slice_values)
    written = places * slice_values * target.element_size()
    of_places = INDEX_BYTES * places
    passes = _copied(func, target) + Passes(2 * bytes_in(masks) + 2 * of_places * bool(masks), 3 * len(masks))
    if not given["accumulate"]:
        read = sum(of_places if _is_mask(index) else bytes_in(index) for index in indices)
        return _placed(passes + Passes(read + bytes_in(values) + written, 1), target, places * slice_values)
    passes += Passes(len(indices) * 4 * of_places, 2 * len(indices)) + Passes(of_places, 1)
    passes += radix_sort(places, INDEX_BYTES, INDEX_BYTES, bits_of(covered))
    passes += Passes(2 * of_places + bytes_in(values) + 2 * written, 1)
    return _placed(passes, target, places * slice_values, "scatter.sorted")


def _is_mask(index: Tensor) -> bool:
    return index.dtype in (torch.bool, torch.uint8)


def _places(indices: Sequence[Tensor], masks: Sequence[Tensor], values: Tensor, slice_values: int) -> int:
    """Number of places that indices name."""
    if not masks:
        return math.prod(torch.broadcast_shapes(*(index.shape for index in indices))) if indices else 1
    return values.numel() // max(1, slice_values) if values.numel() > slice_values else masks[0].numel()


def _masked_scatter(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A running sum of the mask (read, 8 bytes written), then a write of the chosen (`cuda/IndexKernel.cu`).

    All are taken to be chosen.
    """
    target, mask, _ = args
    count = mask.numel()
    moved = 2 * bytes_in(mask) + 2 * count * INDEX_BYTES + 2 * count * target.element_size()
    return _placed(_copied(func, target) + Passes(moved, 2), target, count)


def _embedding_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Gradients of rows, added to zeros (`cuda/Embedding.cu`, `cuda/EmbeddingBag.cu`).

    A few indices are handled by one kernel that reads and writes their rows. More are numbered and radix-sorted; parts
    of ten gradients of a row are summed in float32 and written, then read and added up to rows. How many parts and rows
    there are depends on values: every part is taken to be full. The largest values of bags are added atomically.
    """
    given = named(func, args, kwargs)
    grad, indices = given["grad_output"] if "grad_output" in given else given["grad"], given["indices"]
    width, count, size = grad.shape[-1], indices.numel(), grad.element_size()
    passes = Passes(bytes_in(result), 1)
    row_bytes = width * size
    in_bags = "offset2bag" in given
    if given.get("mode") == LARGEST_OF_BAG:
        passes += Passes(bytes_in(grad, given["maximum_indices"]) + 2 * bytes_in(grad), 1)
    elif not in_bags and count <= FEW_INDICES and not given["scale_grad_by_freq"]:
        passes += Passes(bytes_in(indices) + 3 * count * row_bytes, 1)
    else:
        index_bytes = indices.element_size()
        parts = math.ceil(count / ROWS_PER_PART)
        rows = min(parts, given["num_weights"])
        passes += Passes(count * index_bytes, 1)
        passes += radix_sort(count, index_bytes, index_bytes, bits_of(given["num_weights"]))
        passes += Passes(2 * count * index_bytes + bytes_in(given.get("offset2bag")), 3)  # the parts are laid out
        passes += Passes(count * (index_bytes + row_bytes) + 2 * parts * width * SUM_BYTES + rows * row_bytes, 2)
    return _placed(passes, grad, count * width, "scatter.sorted" if passes.kernels > 2 else "scatter")


def _embedding_bag(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Reads the rows of each bag, and writes their sum, and the bag of each index (`cuda/EmbeddingBag.cu`).

    The bag of each index is a running sum over where bags begin (`make_offset2bag`): zeros are written, ones added, and
    the sum read and written.
    """
    given = named(func, args, kwargs)
    weight, indices = given["weight"], given["indices"]
    read = indices.numel() * weight.shape[-1] * weight.element_size()
    numbered = 3 * bytes_in(result[1]) + 3 * bytes_in(given["offsets"])
    passes = Passes(read + bytes_in(indices, given["offsets"], given["per_sample_weights"], result) + numbered, 4)
    return _placed(passes, weight, indices.numel() * weight.shape[-1], "embedding_bag")


def _embedding_bag_weights(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """For each index, a row of the weights and one of the gradients, multiplied and summed (`cuda/EmbeddingBag.cu`)."""
    given = named(func, args, kwargs)
    weight, indices = given["weight"], given["indices"]
    values = indices.numel() * weight.shape[-1]
    moved = 2 * values * weight.element_size() + bytes_in(indices, given["offset2bag"], result)
    return _placed(Passes(moved, 1), weight, values, "embedding_bag")


def _nonzero(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Counts (one read), selects (one read, places written), and turns places into indices (`cuda/Nonzero.cu`)."""
    places = INDEX_BYTES * result.shape[0]
    split = places + bytes_in(result) if result.shape[-1] > 1 else 0
    return _placed(
        Passes(2 * bytes_in(args[0]) + places + split, 3 if split else 2), result, args[0].numel(), "nonzero"
    )


def _masked_select(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """The places of the mask (see `_nonzero`), then a gather by one index for each dimension."""
    mask = args[1]
    dims = max(args[0].dim(), mask.dim())
    count = INDEX_BYTES * result.numel()
    split = count + dims * count if dims > 1 else 0
    moved = 2 * bytes_in(mask) + count + split + dims * count + 2 * bytes_in(result)
    return _placed(Passes(moved, 3 + bool(split)), result, mask.numel(), "nonzero")


def _multinomial(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Draws one of several, or some without replacement (`Distributions.cpp`).

    Three reads of the weights check them, exponential numbers are drawn (written), the weights are divided by them
    (both read, the quotients written), and the largest is searched for (read). With replacement, weights are normalised
    (twice read, written) and summed up (read, written), and the sums are searched (`cuda/MultinomialKernel.cu`).
    """
    given = named(func, args, kwargs)
    weights: Tensor = given["self"]
    passes, kernels = (5, 4) if given["replacement"] and given["num_samples"] > 1 else (8, 6)
    moved = passes * bytes_in(weights) + bytes_in(result)
    return _placed(Passes(moved, kernels), weights, weights.numel(), "multinomial")


def _randperm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Random keys, radix-sorted with the numbers; equal keys are shuffled after that (`cuda/Randperm.cu`).

    Keys have as many bits as make equal ones rare: about those of 6 n^2 / (12 ln(1 / 0.9)).
    """
    count = result.numel()
    bits = math.ceil(math.log2(max(2.0, 6 * count**2 / (12 * math.log(1 / 0.9)))))
    key_bytes = 4 if bits <= 32 else 8
    passes = Passes(count * (key_bytes + result.element_size()), 2)
    passes += radix_sort(count, key_bytes, result.element_size(), bits) + Passes(count * key_bytes, 1)
    return _placed(passes, result, count, "sort")


RULES: dict[WorkRule, frozenset[Any]] = {
    _scatter: operators("scatter scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_"),
    _index_rows: operators(
        "index_add index_add_ index_copy index_copy_ index_fill index_fill_ index_reduce index_reduce_"
    ),
    _put: operators("put put_ take"),
    _index_put: operators("index_put index_put_ _index_put_impl_ _unsafe_index_put"),
    _masked_scatter: operators("masked_scatter masked_scatter_"),
    _embedding_backward: operators(
        "embedding_dense_backward _embedding_bag_backward _embedding_bag_dense_backward"
    ),
    _embedding_bag: operators("_embedding_bag _embedding_bag_forward_only"),
    _embedding_bag_weights: operators("_embedding_bag_per_sample_weights_backward"),
    _nonzero: operators("nonzero nonzero_static"),
    _masked_select: operators("masked_select"),
    _multinomial: operators("multinomial"),
    _randperm: operators("randperm"),
}  # fmt: skip
