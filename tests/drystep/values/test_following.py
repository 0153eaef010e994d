"""Known values: after any program of operators, what is known of a meta tensor is what a real CPU run has there."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from drystep.cuda.meta_operators import MetaOperators
from drystep.simulator import trace_steps
from drystep.values.known import DRAWN, KNOWN, KnownValues
from drystep.values.reads import Reads

META, CPU = torch.device("meta"), torch.device("cpu")
Program = Callable[[torch.device], list[Tensor]]


def _run(program: Program, device: torch.device, limit_bytes: int | None = 4 << 20) -> tuple[list[Tensor], KnownValues]:
    """What a program returns in a step, and what is known of it."""
    operators, results = MetaOperators(Reads(limit_bytes=limit_bytes)), []

    def build(device: torch.device) -> Callable[[], object]:
        return lambda: results.append(program(device))

    trace_steps(build, device, iterations=1, operators=operators if device == META else None)
    return results[0], operators.reads.known


def _values(program: Program, **options: int | None) -> list[list | None]:
    """What is known of the results on meta: lists, or None."""
    results, known = _run(program, META, **options)
    return [None if known.of(tensor) is None else known.of(tensor).tolist() for tensor in results]


@pytest.mark.parametrize(
    "program",
    [
        lambda d: [torch.tensor([[1, 2], [3, 4]], device=d), torch.as_tensor([1.5], device=d)],
        lambda d: [torch.asarray([True, False], device=d), torch.ones(2, device=d).new_tensor([3, 4])],
        lambda d: [torch.arange(5, device=d).flip(0), torch.full((2, 2), 7, device=d), torch.eye(3, device=d)],
        lambda d: [torch.tensor([1, 2, 3]).to(d), torch.zeros(3).to(d) + torch.linspace(0, 1, 3, device=d)],
        lambda d: [torch.cat([torch.ones(2, 1, device=d), torch.zeros(2, 1, device=d)], 1).t().contiguous()],
        lambda d: [torch.nn.functional.one_hot(torch.tensor([0, 2], device=d), 3).permute(1, 0).cumsum(0)],
        lambda d: [torch.stack(torch.meshgrid(torch.arange(2, device=d), torch.arange(3, device=d), indexing="ij"))],
        lambda d: [torch.tensor([torch.tensor(3, device=d), torch.arange(5, device=d)[4]], device=d)],
        lambda d: [torch.zeros(4, device=d).index_fill_(0, torch.tensor([1, 3], device=d), 2.0)],
        lambda d: [torch.ones(2, 3, device=d).softmax(1), torch.tensor([3.0, 1.0], device=d).topk(1).indices],
        lambda d: [torch.zeros(2, 2, dtype=torch.int32, device=d).view(torch.float32)],
    ],
)
def test_values_are_those_of_a_real_run(program: Program) -> None:
    assert _values(program) == [tensor.tolist() for tensor in _run(program, CPU)[0]]


def _through_views(device: torch.device) -> list[Tensor]:
    base = torch.zeros(3, 4, device=device)
    base[1].fill_(2)
    base.t()[3, :2] = torch.tensor([5.0, 6.0], device=device)
    rows, columns = base.split([2, 1]), base.unbind(1)
    rows[0].mul_(2)
    columns[0].copy_(torch.arange(3))
    return [base, *rows, *columns]


def _piece_by_piece(device: torch.device) -> list[Tensor]:
    buffer = torch.empty(2, 3, dtype=torch.long, device=device)
    buffer[:, 0] = 1
    buffer[:, 1:] = torch.arange(2, device=device)[:, None]
    return [buffer, buffer.sum(1)]


@pytest.mark.parametrize("program", [_through_views, _piece_by_piece])
def test_writes_reach_every_view(program: Program) -> None:
    assert _values(program) == [tensor.tolist() for tensor in _run(program, CPU)[0]]


def test_what_touches_an_unknown_value_is_unknown_and_what_overwrites_it_known() -> None:
    def program(device: torch.device) -> list[Tensor]:
        unknown = nn.Linear(2, 2).to(device)(torch.ones(2, 2, device=device))
        base = torch.ones(4, 2, device=device)
        untouched = base * 3
        base[:2] = unknown  # all of its storage counts as unknown now
        again = torch.ones(2, 2, device=device).copy_(unknown)
        return [unknown, base[3], base + 1, untouched, again, again.zero_() + 1]

    assert _values(program) == [None, None, None, [[3.0, 3.0]] * 4, [[0.0, 0.0]] * 2, [[1.0, 1.0]] * 2]


def test_shapes_of_unknown_tensors_are_enough_for_their_like() -> None:
    def program(device: torch.device) -> list[Tensor]:
        unknown = nn.Linear(2, 3).to(device)(torch.ones(2, 2, device=device))
        return [torch.zeros_like(unknown), unknown.new_full((2,), 5), torch.ones_like(unknown, dtype=torch.bool)]

    assert _values(program) == [[[0.0] * 3] * 2, [5.0, 5.0], [[True] * 3] * 2]


def test_memory_that_nobody_wrote_to_is_unknown() -> None:
    assert _values(lambda device: [torch.empty(3, device=device), torch.empty(3, device=device) + 1]) == [None, None]


def test_statistics_that_batch_norm_writes_are_not_known_any_more() -> None:
    def program(device: torch.device) -> list[Tensor]:
        norm = nn.BatchNorm2d(2).to(device)
        image = nn.Conv2d(3, 2, 1).to(device)(torch.ones(2, 3, 4, 4, device=device))
        norm(image)
        return [norm.running_mean, norm.num_batches_tracked]

    assert _values(program) == [None, 1]


def test_random_numbers_are_drawn_apart_from_the_programs() -> None:
    def program(device: torch.device) -> list[Tensor]:
        return [torch.randint(3, 9, (1000,), device=device), torch.rand(50, device=device), torch.rand(50)]

    torch.manual_seed(1)
    of_the_program = torch.rand(50)
    torch.manual_seed(1)
    (labels, floats, on_host), known = _run(program, META)
    assert torch.equal(on_host, of_the_program)
    assert known.origin(labels) == known.origin(floats) == DRAWN
    assert set(known.of(labels).tolist()) == set(range(3, 9))
    assert 0 <= known.of(floats).min() < known.of(floats).max() < 1


@pytest.mark.parametrize(("limit_bytes", "expected"), [(0, [None] * 3), (64, [True, None, None]), (None, [True] * 3)])
def test_the_limit_counts_bytes_of_a_storage(limit_bytes: int | None, expected: list) -> None:
    def program(device: torch.device) -> list[Tensor]:
        small, large = torch.arange(8, device=device), torch.arange(9, device=device)
        return [small, large, large[:1]]

    values = _values(program, limit_bytes=limit_bytes)
    assert [None if value is None else value == list(range(len(value))) for value in values] == expected


def test_weights_of_a_module_are_not_drawn() -> None:
    (weight, bias), known = _run(lambda device: list(nn.Linear(3, 2, device=device).parameters()), META)
    assert known.of(weight) is None and known.of(bias) is None


OPERATIONS: list[Callable[[Tensor, Tensor, int], Tensor]] = [
    lambda a, b, n: a + b,
    lambda a, b, n: a * n - b,
    lambda a, b, n: torch.where(a > b, a, b),
    lambda a, b, n: a.clone(),
    lambda a, b, n: a.add_(b),
    lambda a, b, n: a.fill_(n),
    lambda a, b, n: a[:, : n % 3 + 1].zero_(),
    lambda a, b, n: a.copy_(b),
    lambda a, b, n: a.transpose(0, 1).contiguous().t().mul_(2),
    lambda a, b, n: a[n % 4],
    lambda a, b, n: a.sort(0).values,
    lambda a, b, n: a.masked_fill_(b > n, 1),
    lambda a, b, n: a.roll(n, 0).abs_(),
    lambda a, b, n: a.reshape(-1).cumsum(0).view(4, 4),
    lambda a, b, n: a.index_copy_(0, torch.tensor([n % 4], device=a.device), b[:1].clone()),
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(OPERATIONS) - 1), st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_random_programs_have_the_values_of_a_real_run(lines: list[tuple[int, int, int]]) -> None:
    """Four tensors, of which one is unknown, and operations in turn on two of them: what is known is right."""

    def program(device: torch.device) -> list[Tensor]:
        unknown = (torch.arange(16) * 7 % 5).view(4, 4)
        if device == META:
            unknown = nn.Parameter(unknown.float()).to(device).detach().long()
        tensors = [torch.arange(16, device=device).view(4, 4), torch.ones(4, 4, device=device).long(),
                   torch.tensor([[3, 1, 2, 0]] * 4, device=device), unknown]  # fmt: skip
        for number, left, right in lines:
            a, b = tensors[left], tensors[right]
            result = OPERATIONS[number](a, b, right + 1)
            if result.shape == (4, 4):
                tensors[left] = result
        return tensors

    real = [tensor.tolist() for tensor in _run(program, CPU)[0]]
    found = _values(program)
    assert all(known in (None, value) for known, value in zip(found, real, strict=True))
    if all(3 not in (left, right) for _, left, right in lines):
        assert found[:3] == real[:3]


def test_a_known_value_stays_known_as_long_as_its_storage_lives() -> None:
    known = KnownValues()
    tensor = torch.empty(3, device=META)
    known.put(tensor, torch.ones(3), KNOWN)
    view = tensor[1:]
    del tensor
    assert known.of(view).tolist() == [1.0, 1.0]
    del view
    assert known.of(torch.empty(3, device=META)) is None
