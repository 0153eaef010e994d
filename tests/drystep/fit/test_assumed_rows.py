"""How much a peak hangs on assumed rows, where arithmetic says it."""

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from drystep import Simulation, simulate
from drystep.fit.assumed_rows import AssumedRows, assumed_rows
from drystep.values.oracles import Oracles

MIB = 1 << 20
SLACK_BYTES = 64 * 1024
"""More than masks, indices and workspaces of a thousand rows take."""


def _assumed(body: Callable[[Tensor], object], with_hinges: bool = True, **options: object) -> AssumedRows | None:
    def build(device: torch.device):
        data = torch.empty(1024, 256, device=device)  # 1024 rows of a KiB: 1 MiB
        return lambda: body(data)

    again = functools.partial(_simulated, build, **options)
    return assumed_rows(again(), again, with_hinges)


def _simulated(build: Callable, sides: object = None, **options: object) -> Simulation:
    return simulate(build, iterations=2, **options, **({} if sides is None else {"sides": sides}))


def _one_decides(x: Tensor) -> None:
    """The first mask's rows take 1 MiB, and 4 MiB when they are repeated; the second's are gone by then."""
    x[x[:, 1] > 0]
    rows = x[x[:, 0] > 0]
    rows.repeat(1, 4)


def _both_decide(x: Tensor) -> None:
    kept = x[x[:, 1] > 0]  # 1 MiB
    x[x[:, 0] > 0].repeat(1, 4)  # 1 MiB and 4 MiB
    del kept


def _about(size_bytes: int) -> object:
    return pytest.approx(size_bytes + SLACK_BYTES / 2, abs=SLACK_BYTES / 2)


def test_a_peak_hangs_on_one_of_two_masks() -> None:
    assumed = _assumed(_one_decides)
    assert assumed is not None
    assert assumed.most_bytes == 6 * MIB
    assert assumed.least_bytes == _about(1 * MIB)
    (hinge,) = assumed.hinges
    assert hinge.assumption.question[1] == _one_decides.__code__.co_firstlineno + 3
    assert (hinge.assumption.most_rows, hinge.peak_without_bytes) == (1024, _about(2 * MIB))


def test_the_question_that_matters_most_comes_first() -> None:
    assumed = _assumed(_both_decide)
    assert assumed is not None
    assert (assumed.most_bytes, assumed.least_bytes) == (7 * MIB, _about(1 * MIB))
    first_line = _both_decide.__code__.co_firstlineno
    found = [(hinge.assumption.question[1] - first_line, hinge.peak_without_bytes) for hinge in assumed.hinges]
    assert found == [(2, _about(2 * MIB)), (1, _about(6 * MIB))]


def test_hinges_are_found_only_if_they_are_asked_for() -> None:
    assumed = _assumed(_one_decides, with_hinges=False)
    assert assumed is not None
    assert (assumed.most_bytes, assumed.hinges) == (6 * MIB, ())


def test_a_step_that_needs_a_row_has_one() -> None:
    def body(x: Tensor) -> None:
        rows = x[x[:, 0] > 0]
        assert len(rows), "no row"
        rows.repeat(1, 1024)  # a MiB for each row

    assumed = _assumed(body)
    assert assumed is not None
    assert (assumed.most_bytes, assumed.least_bytes) == ((1 + 1 + 1024) * MIB, _about(2 * MIB))
    assert [hinge.peak_without_bytes for hinge in assumed.hinges] == [_about(2 * MIB)]


def test_a_step_that_needs_all_rows_has_no_least() -> None:
    assumed = _assumed(lambda x: x[x[:, 0] > 0].view(1024, 256))
    assert assumed is not None
    assert (assumed.least_bytes, assumed.hinges) == (None, ())


def test_rows_that_are_known_or_stated_are_not_assumed() -> None:
    assert _assumed(lambda x: x.repeat(1, 4)) is None
    assert _assumed(lambda x: x[torch.zeros(1024, dtype=torch.bool, device=x.device)]) is None
    assert _assumed(_one_decides, oracles=Oracles(rows=1024)) is None
    assert _assumed(lambda x: x.sum().item()) is None
