"""Buffers that CUDA's sums and means keep in global memory, where several thread blocks compute one result.

Arithmetic of `setReduceConfig` and `ReduceConfig::global_memory_size` in `aten/src/ATen/native/cuda/Reduce.cuh` of
PyTorch 2.11. A buffer has one place per thread and result, so the bias of a linear layer, whose gradient is such a
sum, can need as much as the layer's output. Counted on the cards where requests were recorded: an NVIDIA H200 asked for
these very sizes. Other cards differ in the number of multiprocessors.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drystep.cuda.scratch.multiprocessors import MULTIPROCESSORS
from drystep.operators import Workspace

aten = torch.ops.aten
SUMS = frozenset({aten.sum.dim_IntList, aten.sum.default, aten.mean.dim, aten.mean.default})
THREADS_PER_MULTIPROCESSOR = 2048
MOST_THREADS = 512
"""Of one thread block (`max_reduce_threads`)."""
WARP = 32
VECTOR = 4
"""Numbers that a thread loads at once."""
FEWEST_VALUES, MOST_VALUES = 16, 256
"""Of one thread (`min_values_per_thread`, `max_values_per_thread`)."""
SHORTEST_VECTORIZED = 128
ACCUMULATOR_BYTES = 4
"""Sums of float32 and of half precision are accumulated in float32."""


def reduction_workspaces(input: Tensor, dims: Sequence[int] | int | None = None, *_: Any) -> Iterator[Workspace]:
    """Yield the buffer of a sum or mean of `input` over `dims` (None or empty: all), given the operator's arguments."""
    if input.dtype not in (torch.float32, torch.float16, torch.bfloat16) or not input.numel():
        return
    for architecture, multiprocessors in MULTIPROCESSORS.items():
        size_bytes = _Reduction.of(input, dims).buffer_bytes(multiprocessors)
        if size_bytes:
            yield Workspace(size_bytes, soft=False, kept=False, architectures=(architecture,))


@dataclass(frozen=True)
class _Reduction:
    """Sizes and strides of dimensions, fastest first, neighbours joined where they can be."""

    reduced: list[tuple[int, int]]
    kept: list[tuple[int, int]]

    @classmethod
    def of(cls, input: Tensor, dims: Sequence[int] | int | None) -> "_Reduction":
        stated = [dims] if isinstance(dims, int) else dims or range(input.dim())
        chosen = {dim % max(1, input.dim()) for dim in stated}
        every = [(size, stride, dim in chosen) for dim, (size, stride) in enumerate(zip(input.shape, input.stride(),
                                                                                        strict=True))]  # fmt: skip
        return cls(*(_joined([(size, stride) for size, stride, is_in in every if is_in is wanted])
                     for wanted in (True, False)))  # fmt: skip

    def buffer_bytes(self, multiprocessors: int) -> int:
        """Bytes in global memory; 0 where one thread block computes each result."""
        results = math.prod(size for size, _ in self.kept)
        inputs = math.prod(size for size, _ in self.reduced)
        along_fastest = not self.kept or (bool(self.reduced) and self.reduced[0][1] < self.kept[0][1])
        vector = 1 if along_fastest else self._vector()
        width_limit, height_limit = (inputs, results) if along_fastest else (results // vector, inputs)
        if along_fastest and not self.kept and inputs > SHORTEST_VECTORIZED and self.reduced[0][1] == 1:
            width_limit //= VECTOR
        width, height = _block(width_limit, height_limit, MOST_THREADS // vector)
        step_in, step_out = (width, 1) if along_fastest else (1, width)
        values = -(-inputs // step_in)
        splits_height = values >= height * FEWEST_VALUES or values >= MOST_VALUES
        step_in, step_out = (step_in * height, step_out) if splits_height else (step_in, step_out * height)
        values = -(-inputs // step_in)
        grid = -(-(results // vector) // step_out)
        most_blocks = multiprocessors * (THREADS_PER_MULTIPROCESSOR // (width * height))
        if not splits_height or values < MOST_VALUES or grid > most_blocks:
            return 0
        blocks = max(min(-(-most_blocks // grid), -(-values // FEWEST_VALUES)), -(-values // MOST_VALUES))
        if blocks <= 1:
            return 0
        return ACCUMULATOR_BYTES * results * blocks * (1 if along_fastest else width * vector)

    def _vector(self) -> int:
        """How many results a thread computes at once (`get_output_vec_size`)."""
        size, stride = self.kept[0]
        if stride != 1:
            return 1
        numbers = [size, *(stride for _, stride in [*self.reduced, *self.kept[1:]])]
        return next(vector for vector in (VECTOR, 2, 1) if all(number % vector == 0 for number in numbers))


def _joined(dims: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for size, stride in sorted((dim for dim in dims if dim[0] > 1), key=lambda dim: dim[1]):
        if joined and joined[-1][0] * joined[-1][1] == stride:
            joined[-1] = (joined[-1][0] * size, joined[-1][1])
        else:
            joined.append((size, stride))
    return joined


def _block(width_limit: int, height_limit: int, most_threads: int) -> tuple[int, int]:
    """Width and height of a thread block (`set_block_dimension`)."""
    wide, high = (min(most_threads, 1 << (max(1, limit).bit_length() - 1)) for limit in (width_limit, height_limit))
    width = min(wide, WARP)
    height = min(high, most_threads // width)
    return min(wide, most_threads // height), height
