"""Rarer matrix products, distances and Fourier transforms."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from drystep.operators import Work, WorkRule
from drystep.time.rare.operands import bytes_in, name_of, named, operators


def _scaled(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Product of (M, K) and (K, N) in 8 bits or fewer, with factors of each operand (`cuda/ScaledBlas.cpp`).

    It is counted in the type of its result, so that a prediction does not take it to be faster than a product in 16
    bits.
    """
    left, right = args[:2]
    m, k, n = left.shape[0], left.shape[1], right.shape[1]
    moved = bytes_in(args, list(kwargs.values()), result)
    return Work("linear", 2 * m * k * n, moved, 1, result.dtype, min(m, k, n), k, group="scaled_mm")


def _grouped(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Products of groups, whose ends along one side are in `offs` (`cuda/GroupMM.cu`); its gradients are such products.

    Groups share the rows of (M, K) x (G, K, N), the columns of (G, M, K) x (K, N), or the sums of (M, K) x (K, N). A
    first kernel writes the addresses and sizes of the groups. Sides are those of groups of equal size.
    """
    given = named(func, args, kwargs)
    left, right = given["self"], given["mat2"]
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    groups = max(1, next((t.shape[0] for t in (left, right) if t.dim() == 3), result.shape[0]))
    flops = 2 * m * k * n * (groups if left.dim() == right.dim() == 3 else 1)
    if left.dim() == 2 and right.dim() == 2:
        k //= groups
    elif left.dim() == 2:
        m //= groups
    elif right.dim() == 2:
        n //= groups
    moved = bytes_in(args, list(kwargs.values()), result)
    return Work("bmm", flops, moved, 2, result.dtype, max(1, min(m, k, n)), k, group="grouped_mm")


def _summed(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A sum of products of a batch: one `addmm` into the result for each (`addbmm_impl_` in `LinearAlgebra.cpp`)."""
    added, left, right = args[:3]
    batch, m, k = left.shape
    n = right.shape[-1]
    moved = bytes_in(added, left, right) + 2 * batch * bytes_in(result)
    return Work("linear", 2 * batch * m * k * n, moved, max(1, batch), left.dtype, min(m, k, n), k)


def _conv_tbc(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """One `addmm_` into the output for each step of the filter (`conv_tbc` in `ConvolutionTBC.cpp`).

    The output, which first gets the bias, is read and written by each. Steps at the borders cover fewer times.
    """
    given = named(func, args, kwargs)
    input, weight, pad = given["self"], given["weight"], given["pad"]
    times, batch, inputs = input.shape  # (T, B, C)
    steps, _, outputs = weight.shape
    rows = [
        max(0, min(times + pad - step, result.shape[0]) - max(0, pad - step)) * batch for step in range(steps)
    ]  # of the products (rows, inputs) x (inputs, outputs)
    moved = sum(rows) * (inputs + 2 * outputs) * input.element_size() + bytes_in(weight, given["bias"], result)
    narrowest = min(max(rows), inputs, outputs)
    return Work("linear", 2 * sum(rows) * inputs * outputs, moved, 1 + steps, input.dtype, narrowest, inputs)


def _cdist(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Distances with one block of threads for each pair of rows (`cdist_kernel_cuda_impl`, `pdist_kernel_cuda_impl`).

    Rows are read from a cache once for each pair: the items are the differences.
    """
    length = args[0].shape[-1]
    return Work("elementwise", 0, bytes_in(args, result), 1, result.dtype, group="cdist", items=result.numel() * length)


def _cdist_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A kernel writes the gradient of every difference, and a sum reads them (`cuda/DistanceKernel.cu`)."""
    grad, rows = args[0], args[1]
    differences = grad.numel() * rows.shape[-1]
    moved = bytes_in(args, result) + 2 * differences * result.element_size()
    return Work("elementwise", 0, moved, 2, result.dtype, group="cdist", items=differences)


def _euclidean(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Distances by a product of rows to which their squared norms are appended (`_euclidean_dist` in `Distance.cpp`).

    Each operand is squared (read, written), summed (read) and joined with its norm (read, written), and the first is
    scaled (read, written). The product (P, M + 2) x (M + 2, R) reads both; its result is written, then clamped and
    its root taken, both in place (twice read and written).
    """
    left, right = args
    k, columns = left.shape[-1] + 2, right.shape[-2]
    moved = 8 * bytes_in(left) + 6 * bytes_in(right) + 5 * bytes_in(result)
    narrowest = min(left.shape[-2], k, columns)
    return Work("bmm", 2 * result.numel() * k, moved, 12, result.dtype, narrowest, k, group="cdist")


def _fft(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Transforms by cuFFT (`cuda/SpectralOps.cpp`): 5 n log2 n operations, and a pass over memory, per dimension.

    The count is cuFFT's own (its documentation, "Accuracy and Performance"). A real transform takes half. Passes
    between the first and the last read and write complex values. A factor of the result is one pass more. A transform
    to real values first copies its input, which cuFFT may overwrite; one from real values may write the mirrored half.
    """
    given = named(func, args, kwargs)
    input, dims, kind = given["self"], given["dim"], name_of(func)
    real = {"_fft_r2c": input, "_fft_c2r": result}.get(kind)
    complex_ = result if kind == "_fft_r2c" else input
    last = dims[-1] if dims else 0
    halved = (
        complex_.numel() if real is None else real.numel() // max(1, real.shape[last]) * (real.shape[last] // 2 + 1)
    )
    flops = 0.0
    for dim in dims:
        if real is not None and dim == last:
            flops += 2.5 * real.numel() * math.log2(max(1, real.shape[dim]))
        else:
            flops += 5 * halved * math.log2(max(1, complex_.shape[dim]))
    between_bytes = halved * complex_.element_size()
    first, final = (between_bytes if tensor is complex_ else bytes_in(tensor) for tensor in (input, result))
    moved = first + final + 2 * (max(1, len(dims)) - 1) * between_bytes
    kernels = max(1, len(dims))
    if given["normalization"]:
        moved, kernels = moved + 2 * final, kernels + 1
    if kind == "_fft_c2r":
        moved, kernels = moved + 2 * first, kernels + 1
    if kind == "_fft_r2c" and not given["onesided"]:
        moved, kernels = moved + 2 * (bytes_in(result) - between_bytes), kernels + 1
    return Work("elementwise", round(flops), moved, kernels, result.dtype.to_real(), group="fft")


RULES: dict[WorkRule, frozenset[Any]] = {
    _scaled: operators("_scaled_mm _scaled_mm_v2"),
    _grouped: operators("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2"),
    _summed: operators("addbmm"),
    _conv_tbc: operators("conv_tbc"),
    _cdist: operators("_cdist_forward _pdist_forward"),
    _cdist_backward: operators("_cdist_backward _pdist_backward"),
    _euclidean: operators("_euclidean_dist"),
    _fft: operators("_fft_r2c _fft_c2r _fft_c2c"),
}
