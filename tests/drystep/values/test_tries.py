"""Other sides of assumptions, where the first one makes the program fail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from drystep import SimulationError, simulate


def _answers(body: Callable[[Tensor], object]) -> list[tuple]:
    """What was answered where the step ran through."""

    def build(device: torch.device):
        model, data = nn.Linear(4, 4).to(device), torch.empty(6, 4, device=device)
        return lambda: body(model(data))

    return [read.answers for read in simulate(build, iterations=2).assumptions]


def test_the_other_side_is_tried_where_the_first_raises() -> None:
    def body(y: Tensor) -> None:
        assert y.sum() > 3  # the obvious side
        if (y < 0).any():
            raise ValueError("negative")
        if y.sum().item() != 0:
            raise ValueError("not empty")
        if (y > 2).any():
            y.sum()

    assert _answers(body) == [(True,), (False,), (0,), (True,)]


def test_an_earlier_assumption_is_changed_where_the_latest_is_not_to_blame() -> None:
    def body(y: Tensor) -> None:
        first = y.sum().item()
        second = y.mean().item()
        if first == 1:
            raise ValueError(f"after {second}"[:5])

    assert _answers(body) == [(0,), (1,)]


def test_rows_are_none_or_one_where_all_are_too_many() -> None:
    def body(y: Tensor) -> None:
        if len(y[y[:, 0] > 0]) > 1:
            raise ValueError("too many")
        if len(y[y[:, 1] > 0]) != 1:
            raise ValueError("not one")

    assert _answers(body) == [(0,), (1,)]


def test_when_no_side_works_the_error_says_what_was_tried() -> None:
    def body(y: Tensor) -> None:
        number = y.sum().item()
        raise ValueError("never right" if number else "never right either")

    with pytest.raises(SimulationError) as caught:
        _answers(body)
    message = str(caught.value)
    assert "ValueError: never right; before that, a number, as by .item() was assumed to be 1" in message
    assert "1 other answers were tried and failed too (aten._local_scalar_dense.default at test_tries.py:" in message


def test_a_failure_that_follows_no_assumption_is_told_at_once() -> None:
    runs = []

    def body(y: Tensor) -> None:
        runs.append(1)
        raise ValueError("as written")

    with pytest.raises(SimulationError, match="as written$"):
        _answers(body)
    assert len(runs) == 1
