"""Grouped products on meta, against PyTorch's own kernel on the CPU, which allocates its result as CUDA's does."""

import pytest
import torch
from torch import Tensor

from drystep.cuda.missing.grouped_products import grouped_mm
from drystep.simulator import trace_steps

META, CPU = torch.device("meta"), torch.device("cpu")
TYPES = [torch.bfloat16, torch.float16, torch.float32]
SHAPES = {
    "rows": ((24, 16), (3, 9, 16)),
    "columns": ((3, 5, 16), (24, 16)),
    "batch": ((3, 5, 16), (3, 7, 16)),
}
"""Sides of the first operand, and of the second before its last two are exchanged, so that results have odd rows."""


def _ones(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(shape, dtype=dtype, device=device)


def _operands(kind: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    offsets = torch.tensor([8, 16, 24], dtype=torch.int32, device=device)
    if kind == "sums":
        return _ones((24, 8), dtype, device).T, _ones((24, 16), dtype, device), offsets
    left, right = SHAPES[kind]
    both = _ones(left, dtype, device), _ones(right, dtype, device).transpose(-1, -2)
    return both if kind == "batch" else (*both, offsets)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("kind", [*SHAPES, "sums"])
def test_results_are_laid_out_as_on_the_cpu(kind: str, dtype: torch.dtype) -> None:
    simulated, real = grouped_mm(*_operands(kind, dtype, META)), torch._grouped_mm(*_operands(kind, dtype, CPU))
    assert simulated.shape == real.shape
    assert simulated.stride() == real.stride()
    assert simulated.dtype == real.dtype
    assert simulated.untyped_storage().nbytes() == real.untyped_storage().nbytes()


@pytest.mark.parametrize(("dtype", "row"), [(torch.bfloat16, 16), (torch.float16, 16), (torch.float32, 12)])
def test_rows_of_nine_values_are_padded_to_16_bytes(dtype: torch.dtype, row: int) -> None:
    assert grouped_mm(*_operands("rows", dtype, META)).stride() == (row, 1)


def _training(dtype: torch.dtype, device: torch.device):
    """Two experts of (16, 24) weights, 12 tokens."""
    weights = torch.nn.Parameter(_ones((2, 16, 24), dtype, device))
    tokens = torch.nn.Parameter(_ones((12, 16), dtype, device))
    ends = torch.tensor([5, 12], dtype=torch.int32, device=device)

    def step() -> None:
        weights.grad = tokens.grad = None
        torch.nn.functional.grouped_mm(tokens, weights, offs=ends).float().mean().backward()

    return step


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_experts_train_in_all_types(dtype: torch.dtype) -> None:
    """The product, and in backward the gradients of weights and tokens, are grouped products."""
    simulated, real = (trace_steps(lambda device: _training(dtype, device), d, iterations=1) for d in (META, CPU))
    products = [
        [
            allocation.requested_bytes
            for allocation in trace.allocations
            if trace.operators[allocation.operator].name == "_grouped_mm.default"
        ]
        for trace in (simulated, real)
    ]
    size = dtype.itemsize
    assert products[0] == products[1] == [12 * 24 * size, 2 * 16 * 24 * size, 12 * 16 * size]


@pytest.mark.parametrize(
    ("left", "right", "offsets", "said"),
    [
        ((24, 16), (3, 16, 16), None, "needs offsets"),
        ((24, 16), (2, 16, 16), 3, "one offset for each group"),
        ((24, 9), (3, 9, 16), 3, "rows at multiples of 16 bytes"),
        ((24, 16), (3, 8, 16), 3, "equal inner sizes, not 16 and 8"),
        ((3, 24, 16), (2, 16, 16), None, "batches of the same size"),
        ((3, 24, 16), (3, 16, 16), 3, "no offsets"),
        ((24,), (3, 16, 16), 3, "2 or 3 dimensions"),
    ],
)
def test_what_cuda_refuses_is_refused(left, right, offsets, said: str) -> None:
    ends = None if offsets is None else torch.zeros(offsets, dtype=torch.int32, device=META)
    with pytest.raises(RuntimeError, match=f"a grouped product.* {said}"):
        grouped_mm(_ones(left, torch.float32, META), _ones(right, torch.float32, META), ends)


def test_types_that_cuda_refuses_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"not torch\.float64"):
        grouped_mm(*_operands("rows", torch.float64, META))
    with pytest.raises(RuntimeError, match="a result of the type of the first matrix"):
        grouped_mm(*_operands("rows", torch.bfloat16, META), out_dtype=torch.float32)
