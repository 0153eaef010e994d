"""Work of operators that only move memory, by arithmetic."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.drystep.time.counted import meta, work_of_call, work_of_step

aten = torch.ops.aten
HALF, INT64 = torch.float16, torch.int64


def test_elementwise_by_hand() -> None:
    a, b, row = meta(10, 20), meta(10, 20), meta(20)
    assert [(w.kind, w.moved_bytes) for w in work_of_step(lambda: (a + b, a * 2, a + row))] == [
        ("elementwise", 3 * 800),
        ("elementwise", 2 * 800),
        ("broadcast", 2 * 800 + 80),
    ]
    in_place = work_of_step(lambda: (a.add_(b), a.zero_(), a.copy_(b)))
    assert [w.moved_bytes for w in in_place] == [3 * 800, 800, 2 * 800]


@pytest.mark.parametrize(
    ("step", "group", "items"),
    [
        (lambda: meta(10, 20) + meta(10, 20), "elementwise", 0),
        (lambda: F.relu(meta(2, 16, 8, 8, layout="nhwc")), "elementwise", 0),
        (lambda: meta(10, 20) * meta(), "elementwise", 0),  # a single value has no order
        (lambda: meta(10, 20) + meta(10, 20, dtype=HALF), "elementwise.mixed_types", 200),
        (lambda: meta(10, 20) > 0, "elementwise.mixed_types", 200),
        (lambda: meta(10, 20) + meta(20), "elementwise.strided", 200),
        (lambda: meta(10, 20) + meta(20, 10).t(), "elementwise.strided", 200),
        (lambda: meta(10, 40)[:, ::2] + 1, "elementwise.strided", 200),
        (lambda: meta(2, 16, 8, 8) + meta(2, 16, 8, 8, layout="nhwc"), "elementwise.strided", 2048),
        (lambda: meta(10, 1) + meta(1, 20), "elementwise.strided", 200),
    ],
)
def test_elementwise_kernels_by_types_and_orders(step: Callable[[], Tensor], group: str, items: int) -> None:
    (work,) = [work for work in work_of_step(step) if work.group != "fill"]
    assert (work.group, work.items, work.blocks) == (group, items, 0)


def test_what_is_expanded_is_read_once() -> None:
    a, row = meta(10, 20), meta(1, 20)
    (work,) = work_of_step(lambda: a.add_(row.expand(10, 20)))
    assert work.moved_bytes == 2 * 800 + 80


@pytest.mark.parametrize(
    ("copied", "kind", "group", "moved_bytes"),
    [
        (lambda x: x.clone(), "elementwise", "copy.same_type", 8 * 2048),
        (lambda x: x.to(HALF), "elementwise", "copy.cast", 6 * 2048),
        (lambda x: x.permute(0, 2, 3, 1).contiguous(), "copy", "copy.permuted", 8 * 2048),
        (lambda x: x.contiguous(memory_format=torch.channels_last), "copy", "copy.permuted", 8 * 2048),
        (lambda x: x.to(HALF, memory_format=torch.channels_last), "copy", "copy.permuted", 6 * 2048),
        (lambda x: torch.cat([x, x], 1), "copy", "concatenation", 16 * 2048),
        (lambda x: x[:, ::2].contiguous(), "copy", "copy.permuted", 8 * 1024),
    ],
)
def test_copies(copied: Callable[[Tensor], Tensor], kind: str, group: str, moved_bytes: int) -> None:
    image = meta(2, 16, 8, 8)
    (work,) = work_of_step(lambda: copied(image))
    assert (work.kind, work.group, work.moved_bytes) == (kind, group, moved_bytes)
    assert work.items == copied(image).numel()


def test_a_copy_of_channels_last_keeps_its_order() -> None:
    image = meta(2, 16, 8, 8, layout="nhwc")
    assert [work.group for work in work_of_step(lambda: (image.clone(), image.half()))] == [
        "copy.same_type",
        "copy.cast",
    ]


def test_what_is_contiguous_is_not_copied() -> None:
    x = meta(10, 20)
    assert work_of_step(lambda: (x.contiguous(), x.reshape(20, 10), x.to(torch.float32))) == []


def test_fills_read_nothing() -> None:
    x = meta(10, 20)
    made = work_of_step(lambda: (torch.zeros_like(x), x.zero_(), x.new_ones(10, 20), x.uniform_()))
    assert {(work.group, work.moved_bytes, work.items) for work in made} == {("fill", 800, 0)}
    assert len(made) == 4


@pytest.mark.parametrize(
    ("reduced", "group", "items"),
    [
        (lambda x: x.sum(-1), "rows", 3 * 10),
        (lambda x: x.sum((1, 2)), "rows", 3),
        (lambda x: x.sum(), "rows", 1),
        (lambda x: x.mean(2), "rows", 3 * 10),
        (lambda x: x.var(2), "rows", 3 * 10),
        (lambda x: x.amax(2), "rows", 3 * 10),
        (lambda x: x.argmax(2), "rows", 3 * 10),
        (lambda x: x.max(2), "rows", 3 * 10),
        (lambda x: x.logsumexp(2), "rows", 3 * 10),
        (lambda x: x.any(2), "rows", 3 * 10),
        (lambda x: x.sum(0), "columns", 10 * 20),
        (lambda x: x.mean((0, 1)), "columns", 20),
        (lambda x: x.amax(1), "columns", 3 * 20),
        (lambda x: x.transpose(1, 2).sum(2), "columns", 3 * 20),
        (lambda x: x.norm(), "rows", 1),
        (lambda x: x.norm(1), "rows", 1),
        (lambda x: x.norm(2, 2), "rows", 3 * 10),
        (lambda x: x.norm(2, 0), "columns", 10 * 20),
        (lambda x: torch.linalg.vector_norm(x, 2, -1), "rows", 3 * 10),
        (lambda x: torch.linalg.vector_norm(x, 2, 1), "columns", 3 * 20),
    ],
)
def test_reductions_of_rows_and_of_columns(reduced: Callable[[Tensor], Tensor], group: str, items: int) -> None:
    x = meta(3, 10, 20)
    (work,) = work_of_step(lambda: reduced(x))
    assert (work.group, work.items) == (f"reduction.{group}", items)
    made = reduced(x)
    results = [made] if isinstance(made, Tensor) else list(made)
    assert work.moved_bytes == x.nbytes + sum(result.nbytes for result in results)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_pooling(layout: str) -> None:
    """3x3 windows of stride 2 over 8x8 places give 4x4; a maximum has an index of 8 bytes, which backward reads."""
    image = meta(2, 16, 8, 8, grad=True, layout=layout)
    gradient = meta(2, 16, 4, 4, layout=layout)
    values, results = 2 * 16 * 64, 2 * 16 * 16
    for pool, name, index_bytes in ((F.max_pool2d, "max", 8), (F.avg_pool2d, "average", 0)):
        work = work_of_step(lambda pool=pool: pool(image, 3, 2, 1).backward(gradient))
        forward, backward = (each for each in work if "pool" in each.group)
        assert forward.group == f"{name}_pooling.forward.{layout}"
        assert forward.moved_bytes == 4 * values + (4 + index_bytes) * results
        assert forward.items == 9 * results
        assert backward.group == f"{name}_pooling.backward.{layout}"
        assert backward.moved_bytes == 4 * values + 4 * values + (4 + index_bytes) * results
        assert backward.items == 9 * values


def test_an_embedding_reads_the_rows_it_returns() -> None:
    table, rows = meta(1000, 16), meta(5, dtype=INT64)
    (work,) = work_of_step(lambda: F.embedding(rows, table))
    assert (work.kind, work.moved_bytes, work.items) == ("gather", 2 * 5 * 16 * 4 + 5 * 8, 5 * 16)


def test_gathers_read_as_much_as_they_write() -> None:
    x, columns, rows = meta(100, 16), meta(100, 4, dtype=INT64), meta(7, dtype=INT64)
    (gathered,) = work_of_call(aten.gather.default, x, 1, columns)
    assert (gathered.kind, gathered.moved_bytes, gathered.items) == ("gather", 100 * 4 * (4 + 4 + 8), 400)
    for work in (work_of_call(aten.index_select.default, x, 0, rows), work_of_step(lambda: x[rows])):
        assert [(each.kind, each.moved_bytes, each.items) for each in work] == [("gather", 7 * (16 * 8 + 8), 7 * 16)]


def test_foreach_moves_what_it_changes_twice() -> None:
    tensors = [meta(100) for _ in range(40)]
    (work,) = work_of_step(lambda: torch._foreach_mul_(tensors, 2.0))
    assert (work.kind, work.moved_bytes, work.kernels) == ("optimizer", 2 * 40 * 400, 2)


def test_foreach_reads_all_lists_and_launches_by_elements() -> None:
    """320 blocks of 65536 values fit a launch."""
    left, right = [meta(320 * 65536)] * 2, [meta(320 * 65536)] * 2
    (work,) = work_of_step(lambda: torch._foreach_add(left, right))
    assert (work.moved_bytes, work.kernels) == (3 * 2 * 4 * 320 * 65536, 2)
    assert work_of_step(lambda: torch._foreach_zero_([left[0]]))[0].kernels == 1


@pytest.mark.parametrize(("scale", "passes"), [({}, 7), ({"grad_scale": meta(), "found_inf": meta()}, 8)])
def test_a_fused_update_writes_all_but_the_gradients(scale: dict[str, Tensor], passes: int) -> None:
    """Unless a scaler has left it to the kernel to unscale these. 40 tensors are two launches."""
    lists = [[meta(100) for _ in range(40)] for _ in range(4)]
    numbers = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0, "eps": 1e-8}
    steps = [meta() for _ in range(40)]
    (work,) = work_of_call(
        aten._fused_adamw_.default, *lists, [], steps, **numbers, amsgrad=False, maximize=False, **scale
    )
    assert (work.kind, work.kernels) == ("optimizer", 2)
    assert work.moved_bytes == 40 * (passes * 400 + 2 * 4)
