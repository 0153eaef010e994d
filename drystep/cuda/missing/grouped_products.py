"""Matrix products of groups of rows, columns or sums, as the experts of a language model need them."""

import torch
from torch import Tensor

TYPES = (torch.bfloat16, torch.float32, torch.float16)
ALIGNMENT_BYTES = 16
"""Rows of operands and of the result begin at a multiple of this, so that a card can move them as tiles."""


def grouped_mm(
    self: Tensor,
    mat2: Tensor,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """Result of a grouped product, in padded rows, whichever kernel computes it (`native/GroupedMMUtils.h`).

    The groups end at `offs` (G,). (M, K) x (G, K, N) divides the rows, (G, M, K) x (K, N) the columns, and
    (M, K) x (K, N) the sums, which gives (G, M, N); (G, M, K) x (G, K, N) is a batch and has no `offs`. The kernel for
    bfloat16 on cards of compute capability 9 and 10 also takes some 100 KiB for addresses of the groups, which are left
    out; others write one product for each group. Raises `RuntimeError` for what CUDA refuses.
    """
    _require(self.dtype in TYPES and mat2.dtype in TYPES, f"float32, bfloat16 or float16, not {self.dtype}")
    _require((out_dtype or self.dtype) == self.dtype, f"a result of the type of the first matrix, not {out_dtype}")
    _require(bias is None, "no bias")
    _require(self.dim() in (2, 3) and mat2.dim() in (2, 3), "matrices of 2 or 3 dimensions")
    _require_rows(self)
    _require_rows(mat2)
    if self.dim() == 3 == mat2.dim():
        _require(offs is None, "no offsets for two batches of matrices")
        _require(self.shape[0] == mat2.shape[0], "batches of the same size")
        size = [self.shape[0], self.shape[1], mat2.shape[2]]
    else:
        if offs is None:
            raise RuntimeError("a grouped product needs offsets where one of its matrices has 2 dimensions")
        _require(offs.dim() == 1 and offs.dtype == torch.int32, "offsets as one row of int32")
        batch = next((matrix for matrix in (self, mat2) if matrix.dim() == 3), None)
        _require(batch is None or len(offs) == len(batch), "one offset for each group")
        size = [self.shape[-2], mat2.shape[-1]]
        size = [len(offs), *size] if batch is None else size
    if self.dim() == 3 or mat2.dim() == 3:
        _require(self.shape[-1] == mat2.shape[-2], f"equal inner sizes, not {self.shape[-1]} and {mat2.shape[-2]}")
    return _in_padded_rows(size, self)


def _in_padded_rows(size: list[int], like: Tensor) -> Tensor:
    values = ALIGNMENT_BYTES // like.element_size()
    row = -(-size[-1] // values) * values
    strides = [size[-2] * row, row, 1][-len(size) :]
    return torch.empty_strided(size, strides, dtype=like.dtype, device=like.device)


def _require_rows(matrix: Tensor) -> None:
    """Raise `RuntimeError` unless rows or columns lie contiguously and begin at multiples of 16 bytes."""
    (rows, columns), (of_row, of_column) = matrix.shape[-2:], matrix.stride()[-2:]
    if of_row == 1 and of_column >= max(1, rows):
        step = of_column
    else:
        _require(of_column == 1 and of_row >= max(1, columns), f"contiguous rows or columns, not {matrix.stride()}")
        step = of_row
    aligned = step * matrix.element_size() % ALIGNMENT_BYTES == 0
    _require(aligned, f"rows at multiples of {ALIGNMENT_BYTES} bytes, not strides of {matrix.stride()}")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise RuntimeError(f"a grouped product takes {what}")
