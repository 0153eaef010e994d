"""Work of operators by arithmetic, and operations by PyTorch's own counter."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from drystep.simulator import trace_steps
from drystep.time.work import Work
from drystep.trace.trace import Trace

META = torch.device("meta")


def _trace(step: Callable[[], object], precision: str = "fp32") -> Trace:
    return trace_steps(lambda _: step, META, "torch-2.11", precision, iterations=2)


def _work(step: Callable[[], object]) -> list[Work]:
    return [work for _, work in _trace(step).work]


def _meta(*shape: int, grad: bool = False) -> Tensor:
    return torch.empty(*shape, device=META, requires_grad=grad)


def test_a_product() -> None:
    """(8, 32) @ (32, 16): 2 M N K operations, every operand once."""
    left, right, bias = _meta(8, 32), _meta(32, 16), _meta(16)
    (work,) = _work(lambda: left @ right)
    assert (work.kind, work.flops, work.narrowest, work.reduced) == ("linear", 2 * 8 * 16 * 32, 8, 32)
    assert work.moved_bytes == 4 * (8 * 32 + 32 * 16 + 8 * 16)
    (work,) = _work(lambda: torch.addmm(bias, left, right))
    assert work.moved_bytes == 4 * (8 * 32 + 32 * 16 + 8 * 16 + 16)


def test_a_batch_of_products() -> None:
    left, right = _meta(3, 8, 32), _meta(3, 32, 16)
    (work,) = _work(lambda: left @ right)
    assert (work.kind, work.flops) == ("bmm", 3 * 2 * 8 * 16 * 32)


def test_views_are_free_and_copies_are_charged() -> None:
    tensor = _meta(4, 6)
    assert _work(lambda: tensor.t().reshape(24, 1)[1:].unsqueeze(0)) == _work(lambda: tensor.t().contiguous())
    (copy,) = _work(lambda: tensor.t().contiguous())
    assert (copy.kind, copy.moved_bytes) == ("copy", 2 * 4 * 24)
    assert _work(lambda: (tensor.view(24), tensor.detach(), tensor.expand(2, 4, 6), torch.empty_like(tensor))) == []
    (plain,) = _work(lambda: tensor.clone())
    assert (plain.kind, plain.moved_bytes) == ("elementwise", 2 * 4 * 24)


def test_elementwise_by_hand() -> None:
    a, b, row = _meta(10, 20), _meta(10, 20), _meta(20)
    assert [(w.kind, w.moved_bytes) for w in _work(lambda: (a + b, a * 2, a + row))] == [
        ("elementwise", 3 * 800),
        ("elementwise", 2 * 800),
        ("broadcast", 2 * 800 + 80),
    ]
    assert [w.moved_bytes for w in _work(lambda: (a.add_(b), a.zero_(), a.copy_(b)))] == [3 * 800, 800, 2 * 800]


def test_what_is_expanded_is_read_once() -> None:
    a, row = _meta(10, 20), _meta(1, 20)
    (work,) = _work(lambda: a.add_(row.expand(10, 20)))
    assert work.moved_bytes == 2 * 800 + 80


@pytest.mark.parametrize(("trains", "passes"), [(False, 1), (True, 2)])
def test_layer_norm_backward_reads_once_per_kernel(trains: bool, passes: int) -> None:
    norm = nn.LayerNorm(32, device=META).requires_grad_(trains)
    x = _meta(10, 32, grad=True)
    (work,) = [w for w in _work(lambda: norm(x).sum().backward()) if w.kind == "layer_norm_backward"]
    assert work.moved_bytes == 1280 * (2 * passes + 1)
    assert work.kernels == passes


def test_softmax_and_its_backward() -> None:
    """Backward writes the product of gradient and output, and reads it again."""
    x = _meta(10, 32, grad=True)
    y = x.softmax(-1)
    forward = _work(lambda: x.detach().softmax(-1))
    assert [(w.kind, w.moved_bytes, w.reduced) for w in forward] == [("softmax", 2 * 1280, 32)]
    (backward,) = _work(lambda: torch.ops.aten._softmax_backward_data(y.detach(), y.detach(), -1, torch.float32))
    assert (backward.moved_bytes, backward.kernels) == (6 * 1280, 2)


def test_an_embedding_reads_the_rows_it_returns() -> None:
    table, rows = _meta(1000, 16), torch.empty(5, dtype=torch.long, device=META)
    (work,) = _work(lambda: F.embedding(rows, table))
    assert work.moved_bytes == 2 * 5 * 16 * 4 + 5 * 8


@pytest.mark.parametrize(
    ("arguments", "kind", "narrowest"),
    [
        ({"kernel_size": 3, "padding": 1}, "conv", 8),
        ({"kernel_size": 1}, "linear", 8),  # (2 * 12 * 12, 8) @ (8, 16)
        ({"kernel_size": 3, "stride": 2}, "linear", 16),  # (2 * 5 * 5, 8 * 9) @ (8 * 9, 16)
    ],
)
def test_only_dense_3x3_of_stride_1_has_winograd(arguments: dict[str, int], kind: str, narrowest: int) -> None:
    layer, x = nn.Conv2d(8, 16, **arguments, device=META), _meta(2, 8, 12, 12)
    (work,) = _work(lambda: layer(x))
    assert (work.kind, work.convolution, work.narrowest) == (kind, True, narrowest)


def test_operations_are_those_of_pytorchs_counter() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 4, stride=4), nn.Flatten(), nn.Linear(8 * 9, 5)
    ).to(META)
    images = _meta(2, 3, 12, 12)

    def step() -> None:
        model(images).sum().backward()

    with FlopCounterMode(display=False) as counter:
        step()
    assert sum(work.flops for work in _work(step)) == counter.get_total_flops()


def test_foreach_moves_what_it_changes_twice() -> None:
    tensors = [_meta(100) for _ in range(40)]
    (work,) = _work(lambda: torch._foreach_mul_(tensors, 2.0))
    assert (work.kind, work.moved_bytes, work.kernels) == ("optimizer", 2 * 40 * 400, 2)


def test_only_the_steps_that_count_are_weighed() -> None:
    x = _meta(10)
    trace = _trace(lambda: x + 1)
    assert len(trace.work) == 1
    assert trace.work[0][0] == trace.first_operators[-1]
    assert trace.operators[trace.work[0][0]].phase == "forward"
