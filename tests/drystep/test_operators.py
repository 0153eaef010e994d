"""Operators of another package: what it states about them is what a simulation does with them."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from drystep import Work, Workspace, register_operator, simulate
from drystep.operators import registered

MIB = 1 << 20


@torch.library.custom_op("drystep_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


TWICE = torch.ops.drystep_tests.twice.default


@pytest.fixture(autouse=True)
def nothing_stated() -> Iterator[None]:
    yield
    register_operator(TWICE)


def _build(device: torch.device):
    x = torch.empty(256, 1024, device=device)  # a MiB
    results: list[Tensor] = []

    def step() -> None:
        results[:] = [twice(x)]

    return step


def _result_dtypes(precision: str) -> set[torch.dtype]:
    trace = simulate(_build, precision=precision).trace
    return {a.dtype for a in trace.allocations if trace.operators[a.operator].name == "twice.default"}


@pytest.mark.filterwarnings("ignore")
def test_casts() -> None:
    assert _result_dtypes("amp-fp16") == {torch.float32}
    register_operator(TWICE, cast="half")
    assert _result_dtypes("amp-fp16") == {torch.float16}
    assert _result_dtypes("amp-bf16") == {torch.bfloat16}
    assert _result_dtypes("fp32") == {torch.float32}
    register_operator(TWICE, cast="float32")
    assert _result_dtypes("amp-fp16") == {torch.float32}


def test_workspaces() -> None:
    before = simulate(_build).peak_allocated_bytes
    register_operator(TWICE, workspaces=lambda args: iter([Workspace(args[0].nbytes * 3, soft=False, kept=False)]))
    assert simulate(_build).peak_allocated_bytes == before + 3 * MIB


def test_work() -> None:
    register_operator(
        TWICE, work=lambda func, args, kwargs, result: Work("linear", 10**9, 0, 1, torch.float32, 1024, 64)
    )
    ((_, work),) = simulate(_build).trace.work
    assert (work.kind, work.flops, work.moved_bytes) == ("linear", 10**9, 0)
    register_operator(TWICE)
    ((_, work),) = simulate(_build).trace.work
    assert (work.kind, work.flops, work.moved_bytes) == ("elementwise", 0, 2 * MIB)


def test_bad_statements() -> None:
    with pytest.raises(ValueError, match="unknown cast 'fp16': choose from half, float32, widest, None"):
        register_operator(TWICE, cast="fp16")
    with pytest.raises(ValueError, match="is not an operator overload, such as torch.ops"):
        register_operator(twice)


def test_the_suites_detectors_state_their_own() -> None:
    import bench.detectors.fixed_size_ops  # noqa: F401

    assert registered(torch.ops.e3va_bench.nms_keep.default).cast == "float32"
