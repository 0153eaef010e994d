"""Buffers of sums: by arithmetic, and as an NVIDIA H200 requested them (`reports/measured/nvidia-h200`)."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from drystep import Rules
from drystep.cuda.scratch.reductions import reduction_workspaces
from drystep.simulator import trace_steps

META = torch.device("meta")
REQUESTS = Path(__file__).parents[4] / "reports" / "measured" / "nvidia-h200" / "requests.jsonl.gz"


def _bytes(shape: tuple[int, ...], dims: list[int] | None = None, dtype: torch.dtype = torch.float32) -> int:
    found = list(reduction_workspaces(torch.empty(shape, device=META, dtype=dtype), dims))
    assert all(each.architectures == ("9.0",) and not each.soft and not each.kept for each in found)
    return sum(each.size_bytes for each in found)


@pytest.mark.parametrize(
    ("rows", "columns", "blocks"),
    [
        # A block is 32 wide and 4 high, a thread has 4 columns: 1216 / 4 = 304 values a thread, 16 at least.
        (1216, 1536, 19),
        (4864, 3072, 76),
        # 2112 blocks of 128 threads fill 132 multiprocessors; 192 columns take 2 blocks, so 1056 share the rows.
        (77824, 192, 1056),
    ],
)
def test_sums_over_rows_that_a_card_requested(rows: int, columns: int, blocks: int) -> None:
    """The gradients of biases of Swin-L at 608x1024."""
    size_bytes = _bytes((rows, columns), [0])
    assert size_bytes == 4 * columns * blocks * 32 * 4
    with gzip.open(REQUESTS, "rt") as file:
        requests = next(json.loads(line)["requests"] for line in file)  # of the method full
    assert size_bytes in requests


def test_half_precision_is_summed_in_float32() -> None:
    assert _bytes((4864, 3072), [0], torch.float16) == _bytes((4864, 3072), [0])


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((64, 3072), [0]),  # too few rows for two blocks
        ((4864, 3072), [1]),  # a block sums a row
        ((2, 256, 76, 128), [0, 2, 3]),  # 38 values a thread
        ((0, 8), [0]),
    ],
)
def test_sums_without_a_buffer(shape: tuple[int, ...], dims: list[int]) -> None:
    assert _bytes(shape, dims) == 0


def test_a_sum_of_everything_has_one_place_a_block() -> None:
    """512 threads sum 4 numbers at once: 2^20 / 2048 = 512 values a thread of 4 numbers, 16 at least: 128 blocks.

    A block adds up its threads, and 4 bytes for each of 128 blocks remain.
    """
    assert _bytes((1 << 20,)) == 4 * 128


def test_neighbouring_dimensions_count_as_one() -> None:
    assert _bytes((4, 1216, 3072), [0, 1]) == _bytes((4864, 3072), [0])
    assert list(reduction_workspaces(torch.empty(8, 8, device=META, dtype=torch.int64))) == []


def test_a_linear_layers_bias_takes_it_in_the_backward_pass() -> None:
    def build(device: torch.device):
        layer = torch.nn.Linear(64, 1536, device=device)
        rows = torch.empty(1216, 64, device=device)
        return lambda: layer(rows).square().sum().backward()

    trace = trace_steps(build, META, Rules(), "fp32", iterations=1)
    found = [each for each in trace.allocations if each.workspace is not None and each.requested_bytes == 14_942_208]
    assert len(found) == 1
    assert trace.operators[found[0].operator].phase == "backward"
