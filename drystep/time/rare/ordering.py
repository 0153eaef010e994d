"""Sorting, selection, running sums, histograms, and what finds places: radix sort and scans as in CUB.

A radix sort of pairs reads its keys once for the counts of all digits, then reads and writes keys and values once for
each digit of 8 bits (`cub::DeviceRadixSort`). Only its kernels that go over all the data are counted.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from drystep.operators import Work, WorkRule
from drystep.time.rare.operands import INDEX_BYTES, bytes_in, first_of, name_of, named, operators

DIGIT_BITS = 8
"""Bits of a digit in a radix sort, and in the selection of the largest by many blocks of threads."""
SELECTION_BITS = 2
"""Bits of a digit where one block of threads selects from a row (`RADIX_BITS` in `cuda/SortingRadixSelect.cuh`)."""
SMALL_ROW = 4096
"""Longest row that one block of threads sorts in shared memory (`should_use_small_sort` in `cuda/Sort.cu`)."""
LARGE_ROW = 1_000_000
"""Shortest row that has a radix sort of its own, if there are several (`cuda/SortStable.cu`)."""
FEW_ROWS = 128
"""Fewer rows than this are sorted together, then by row (`cuda/SortStable.cu`)."""
MANY_BLOCKS = ((20, 20000), (40, 10000), (80, 8000), (199, 5000), (799, 3000), (4000, 800), (math.inf, 400))
"""(most rows, shortest row) for the selection by many blocks (`should_use_multiblock` in `cuda/TensorTopK.cu`)."""


@dataclass(frozen=True)
class Passes:
    """What a part of an operator moves, in how many kernels."""

    moved_bytes: int
    kernels: int

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(self.moved_bytes + other.moved_bytes, self.kernels + other.kernels)

    def times(self, count: int) -> "Passes":
        """The same, done a number of times."""
        return Passes(count * self.moved_bytes, count * self.kernels)


def radix_sort(count: int, key_bytes: int, value_bytes: int, bits: int = 0) -> Passes:
    """A radix sort by the lowest bits of the keys; 0 for all bits."""
    digits = math.ceil((bits or 8 * key_bytes) / DIGIT_BITS)
    return Passes(count * (key_bytes + digits * 2 * (key_bytes + value_bytes)), 1 + digits)


def bits_of(most: int) -> int:
    """Number of bits of the numbers below `most`."""
    return max(1, (most - 1).bit_length())


def sort_rows(rows: int, length: int, key_bytes: int) -> Passes:
    """A sort of rows with the places that the values come from, as `sort_cuda_kernel` in `cuda/Sort.cpp` does it.

    Short rows are copied to the result, numbered (twice written: as a row, and for all rows), and sorted there by one
    block each. Others are numbered and radix-sorted: each row by itself, or all together and then by row, with 8 bytes
    of row and place, or by CUB's segmented sort, which reads the keys of each digit once more.
    """
    count, pair_bytes = rows * length, key_bytes + INDEX_BYTES
    if length <= SMALL_ROW:
        return Passes(count * (INDEX_BYTES + 2 * key_bytes + 2 * pair_bytes) + 2 * length * INDEX_BYTES, 4)
    if rows == 1 or length >= LARGE_ROW:
        return Passes(length * INDEX_BYTES, 1) + radix_sort(length, key_bytes, INDEX_BYTES).times(rows)
    numbered = Passes(count * INDEX_BYTES, 1)
    if rows < FEW_ROWS:
        written = Passes(count * 2 * pair_bytes, 1)
        by_row = radix_sort(count, INDEX_BYTES, 0, bits_of(rows))
        return numbered + radix_sort(count, key_bytes, INDEX_BYTES) + by_row + written
    digits = math.ceil(8 * key_bytes / DIGIT_BITS)
    return numbered + Passes(count * digits * (key_bytes + 2 * pair_bytes), digits)


def _rows(tensor: Tensor, dim: int | None) -> tuple[int, int]:
    """Number and length of the rows along a dimension; without one, all values are a row."""
    length = tensor.numel() if dim is None or not tensor.dim() else tensor.shape[dim]
    return tensor.numel() // max(1, length), length


def _ordered(passes: Passes, group: str, like: Tensor, items: int, blocks: int = 0) -> Work:
    return Work(
        "elementwise", 0, passes.moved_bytes, passes.kernels, like.dtype, group=group, items=items, blocks=blocks
    )


def _sort(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """See `sort_rows`. Also `mode`, which sorts each row and looks for the longest run (`cuda/TensorModeKernel.cu`)."""
    given = named(func, args, kwargs)
    tensor: Tensor = given["self"]
    rows, length = _rows(tensor, given["dim"])
    passes = sort_rows(rows, length, tensor.element_size())
    if name_of(func) == "mode":
        passes += Passes(tensor.numel() * tensor.element_size() + bytes_in(result), 1)
    return _ordered(passes, "sort", tensor, tensor.numel(), rows if length <= SMALL_ROW else 0)


def _topk(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Radix selection, then a sort of the selected (`cuda/TensorTopK.cu`).

    One block for each row reads it once per digit of 2 bits, and twice to write what lies above and at the limit. With
    long rows, many blocks do so with digits of 8 bits, a kernel for each and one for the sums of its counts.
    """
    given = named(func, args, kwargs)
    tensor: Tensor = given["self"]
    rows, length = _rows(tensor, given["dim"])
    many = next(length >= shortest for most, shortest in MANY_BLOCKS if rows <= most)
    digits = math.ceil(8 * tensor.element_size() / (DIGIT_BITS if many else SELECTION_BITS))
    reads, kernels = (digits + 1, 2 * digits + 3) if many else (digits + 2, 1)
    passes = Passes(reads * bytes_in(tensor) + bytes_in(result), kernels)
    if given["sorted"] and first_of(result).numel() > 1:
        selected = first_of(result).numel() // max(1, rows)
        if selected <= SMALL_ROW:
            passes += Passes(2 * bytes_in(result), 1)
        else:
            passes += sort_rows(rows, selected, tensor.element_size()) + Passes(4 * bytes_in(result), 3)
    return _ordered(passes, "topk", tensor, tensor.numel() * digits, 0 if many else rows)


def _selected(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One block reads each row once per digit of 2 bits, and once for the place (`cuda/Sorting.cu`).

    A median reads it once more, to count what is not a number.
    """
    given = named(func, args, kwargs)
    tensor: Tensor = given["self"]
    rows, _ = _rows(tensor, given.get("dim"))
    digits = 8 * tensor.element_size() // SELECTION_BITS
    reads = digits + (1 if name_of(func) == "kthvalue" else 2)
    return _ordered(
        Passes(reads * bytes_in(tensor) + bytes_in(result), 1), "topk", tensor, tensor.numel() * digits, rows
    )


def _unique(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """A radix sort, and a pass that keeps one value of each run (`cuda/UniqueCub.cu`).

    For the inverse, the places are sorted along; runs are numbered (written), summed up (read, written) and scattered
    (read with the places, written). Values that are taken to be in runs already are not sorted.
    """
    given = named(func, args, kwargs)
    tensor: Tensor = given["self"]
    count, size, inverse = tensor.numel(), tensor.element_size(), given["return_inverse"]
    passes = Passes(count * size + bytes_in(result[0], result[2]), 1)
    if name_of(func) == "_unique2":
        passes += radix_sort(count, size, INDEX_BYTES if inverse else 0) + Passes(count * INDEX_BYTES * inverse, 1)
    if inverse:
        passes += Passes(count * (size + 6 * INDEX_BYTES), 3)
    return _ordered(passes, "sort", tensor, count)


def _unique_slices(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """A merge sort of the places of slices, which compares two slices at a time (Thrust in `cuda/Unique.cu`).

    Each of the log2 n rounds reads and writes the places, and a slice for each of them. The unique slices are gathered.
    """
    given = named(func, args, kwargs)
    tensor: Tensor = given["self"]
    count = tensor.shape[given["dim"]] if given["dim"] is not None else tensor.numel()
    rounds = bits_of(count)
    passes = Passes(rounds * (2 * count * INDEX_BYTES + bytes_in(tensor)) + 2 * bytes_in(result), rounds + 2)
    return _ordered(passes, "sort", tensor, rounds * count)


def _consecutive(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Without a dimension as `_unique`, else as `_unique_slices`."""
    rule = _unique if named(func, args, kwargs)["dim"] is None else _unique_slices
    return rule(func, args, kwargs, result)


def _scan(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Running sums, products and extremes: one pass, which reads and writes every value once (`cuda/ScanUtils.cuh`).

    So does CUB's scan of a whole tensor, by decoupled look-back. Along an outer dimension a thread goes through a
    column, along the last one a block of threads goes through rows.
    """
    passes = Passes(bytes_in(args[0]) + bytes_in(result), 1)
    return _ordered(passes, "scan", first_of(result), first_of(result).numel())


def _histogram(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """The least and the largest value (one read each), then atomic additions (`cuda/SummaryOps.cu`).

    `histc` looks for them only if its limits are equal.
    """
    given = named(func, args, kwargs)
    searched = name_of(func) == "bincount" or given["min"] == given["max"]
    moved = (3 if searched else 1) * bytes_in(given["self"]) + bytes_in(given.get("weights")) + 2 * bytes_in(result)
    return _ordered(Passes(moved, 4 if searched else 2), "histogram", result, given["self"].numel())


def _search(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Binary searches: a thread for each value, log2 n steps through the boundaries (`cuda/Bucketization.cu`)."""
    given = named(func, args, kwargs)
    boundaries: Tensor = given["sorted_sequence"] if "sorted_sequence" in given else given["boundaries"]
    passes = Passes(bytes_in(args, given.get("sorter"), result), 1)
    return _ordered(passes, "search", boundaries, result.numel() * bits_of(boundaries.shape[-1] + 1))


RULES: dict[WorkRule, frozenset[Any]] = {
    _sort: operators("sort argsort mode"),
    _topk: operators("topk"),
    _selected: operators("kthvalue median nanmedian"),
    _unique: operators("_unique2"),
    _unique_slices: operators("unique_dim"),
    _consecutive: operators("unique_consecutive"),
    _scan: operators("cumsum cumsum_ cumprod cumprod_ _logcumsumexp logcumsumexp cummax cummin"),
    _histogram: operators("bincount histc"),
    _search: operators("searchsorted bucketize"),
}
