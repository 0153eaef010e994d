"""Operators that depend on values: on meta with the right counts stated, they leave what they leave for real."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torchvision
from torch import Tensor

from drystep import Oracles
from drystep.cuda.meta_operators import MetaOperators
from drystep.cuda.rewrites import REWRITES
from drystep.cuda.torchvision_operators import register_torchvision
from drystep.trace.recorder import OperatorRules, record
from drystep.values.oracle_lookup import OracleLookup
from drystep.values.reads import Reads

META, CPU = torch.device("meta"), torch.device("cpu")
TRUE = 6
"""Elements of `_data` above 0."""


def _data(device: torch.device) -> Tensor:
    return torch.tensor([[1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], [3.0, 0.0, 0.0, 2.0]]).to(device)


def _rules(device: torch.device, oracles: Oracles) -> OperatorRules:
    """A real device runs its operators itself, and on meta no values are known."""
    register_torchvision()
    rules = OperatorRules(rewrites=REWRITES)
    return rules if device == CPU else replace(rules, call=MetaOperators(Reads(OracleLookup(oracles), limit_bytes=0)))


def _layout(step: Callable[[Tensor], object], device: torch.device, oracles: Oracles) -> list:
    """Layouts of what a function of `_data` returns."""
    results: list = []

    def build(device: torch.device) -> Callable[[], object]:
        x = _data(device)
        return lambda: results.append(step(x))

    record(build, device, 1, _rules(device, oracles))
    (result,) = results
    tensors = result if isinstance(result, tuple | list) else (result,)
    return [(tuple(t.shape), t.stride(), t.dtype) if isinstance(t, Tensor) else t for t in tensors]


@pytest.mark.parametrize(
    ("step", "rows"),
    [
        (lambda x: x.nonzero(), TRUE),
        (lambda x: x.nonzero(as_tuple=True), TRUE),
        (lambda x: torch.where(x > 0), TRUE),
        (lambda x: torch.argwhere(x), TRUE),
        (lambda x: x[x > 0], TRUE),
        (lambda x: x[x[:, 0] > 0], 2),
        (lambda x: x[x[:, 0] > 0, 1], 2),
        (lambda x: x[:, x[0] > 0], 3),
        (lambda x: x.masked_select(x > 0), TRUE),
        (lambda x: x.masked_select(x[0] > 0), 9),
        (lambda x: x.unique(), 4),
        (lambda x: x.unique(return_inverse=True), 4),
        (lambda x: x.unique(return_counts=True), 4),
        (lambda x: x.unique(dim=0, return_inverse=True, return_counts=True), 3),
        (lambda x: torch.unique_consecutive(x.flatten()), 10),
        (lambda x: torch.unique_consecutive(x, dim=1), 4),
        (lambda x: torch.repeat_interleave(x, x[:, 0].long(), dim=0), 4),
        (lambda x: torch.bincount(x.flatten().long()), 4),
        (lambda x: torchvision.ops.nms(x, x[:, 0], 0.5), 3),
    ],
)
def test_same_result_as_for_real(step: Callable[[Tensor], object], rows: int) -> None:
    assert _layout(step, META, Oracles(rows=rows)) == _layout(step, CPU, Oracles())


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: x.unique(),
        lambda x: torchvision.ops.nms(x, x[:, 0], 0.5),
    ],
)
def test_the_worst_case_is_assumed_and_can_be_stated(step: Callable[[Tensor], object]) -> None:
    for oracles in (Oracles(rows=10**9), Oracles(item=0)):
        ((shape, *_),) = _layout(step, META, oracles)
        assert shape[0] in {12, 3}  # all elements, or all boxes


def _sizes(step: Callable[[Tensor], object], device: torch.device, oracles: Oracles) -> list[int]:
    def build(device: torch.device) -> Callable[[], object]:
        x = torch.ones(100, 20, device=device)
        x[10:].zero_()
        return lambda: step(x)

    trace = record(build, device, 1, _rules(device, oracles))
    return [trace.allocations[index].requested_bytes for index, born, _ in trace.events if born][1:]


@pytest.mark.parametrize("step", [lambda x: x[x > 0], lambda x: x.masked_select(x > 0)])
def test_a_mask_allocates_its_indices_beside_the_result(step: Callable[[Tensor], object]) -> None:
    """A mask of one byte each, two int64 columns for 200 true elements, and these."""
    expected = [2000, 2 * 200 * 8, 200 * 4]
    assert _sizes(step, META, Oracles(rows=200)) == expected
    assert _sizes(step, CPU, Oracles()) == expected


def test_writing_one_value_under_a_mask_needs_no_indices() -> None:
    def step(x: Tensor) -> None:
        x[x > 0] = 0.0

    assert _sizes(step, META, Oracles()) == [2000]


def test_writing_many_values_under_a_mask_does() -> None:
    def step(x: Tensor) -> None:
        x[x > 0] = torch.zeros(200, device=x.device)

    for device in (META, CPU):
        assert _sizes(step, device, Oracles(rows=200)) == [800, 2000, 3200]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda x: x.sum().item(), [2.0]),
        (lambda x: x.long().sum().item(), [2]),
        (lambda x: bool((x > 0).all()), [True]),
        (lambda x: [x[0].tolist()], [[2.0] * 4]),
        (lambda x: torch.equal(x, x), [True]),
        (lambda x: x[0, :2].cpu() + 1, [((2,), (1,), torch.float32)]),
        (lambda x: torch.zeros(3).copy_(x[0, :3]).sum().item() / 3, [2.0]),
    ],
)
def test_values_on_the_host(step: Callable[[Tensor], object], expected: list) -> None:
    assert _layout(step, META, Oracles(item=2)) == expected


def test_a_number_that_nobody_states_is_one_and_a_condition_true() -> None:
    assert _layout(lambda x: (x.sum().item(), bool(x[0, 0] > 5), x[1].tolist()), META, Oracles()) == [1, True, [1] * 4]


def test_values_of_cpu_tensors_are_real() -> None:
    assert _layout(lambda x: (torch.tensor(7.0).item(), torch.tensor([1, 0, 2]).nonzero()), META, Oracles())[0] == 7.0


def _kept(x: Tensor) -> Tensor:
    return x.nonzero()


class _Head:
    def forward(self, x: Tensor) -> Tensor:
        return x.nonzero()


@pytest.mark.parametrize(
    ("by_name", "counts"),
    [
        ({}, [5, 5, 5]),
        ({"_kept": 2}, [2, 5, 5]),
        ({"_Head.forward": 3}, [5, 3, 5]),
        ({"unique": 1}, [5, 5, 1]),
        ({"nonzero": 4, "_kept": 2}, [4, 4, 5]),
    ],
)
def test_answers_by_the_name_of_what_asks(by_name: dict[str, float], counts: list[int]) -> None:
    layouts = _layout(lambda x: (_kept(x), _Head().forward(x + 1), x.unique()), META, Oracles(rows=5, by_name=by_name))
    assert [shape[0] for shape, *_ in layouts] == counts
