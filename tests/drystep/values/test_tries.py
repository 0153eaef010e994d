"""Other sides of assumptions, where the first one makes the program fail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from drystep import SimulationError, simulate
from drystep.values.tries import MOST_TRIES


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
    line = test_when_no_side_works_the_error_says_what_was_tried.__code__.co_firstlineno + 2
    tried = f"1 other answer was tried and failed too (a number, as by .item() at test_tries.py:{line} = 0)"
    assert message.endswith(f"; {tried}")


def test_the_answers_that_were_tried_are_told_question_by_question() -> None:
    def body(y: Tensor) -> None:
        for column in range(3):
            rows = y[y[:, column] > 0]
        raise ValueError(f"never right: {len(rows)}"[:11])

    line = body.__code__.co_firstlineno + 2
    with pytest.raises(SimulationError) as caught:
        _answers(body)
    tried = f"(rows of aten.nonzero.default, of at most 6 at test_tries.py:{line} = 0 and 1)"
    assert str(caught.value).endswith(f"; 2 other answers were tried and failed too {tried}")


def test_no_more_answers_are_told_than_were_tried() -> None:
    def body(y: Tensor) -> None:
        numbers = [
            y.sum().item(),
            y.mean().item(),
            y.max().item(),
            y.min().item(),
            y.std().item(),
            y.var().item(),
            y.prod().item(),
            y.norm().item(),
            y.median().item(),
        ]
        raise ValueError("never right" + "!" * (not numbers))

    with pytest.raises(SimulationError) as caught:
        _answers(body)
    message = str(caught.value)
    assert f"; {MOST_TRIES - 1} other answers were tried and failed too (" in message
    assert message.count(" = 0") == MOST_TRIES - 1


def test_a_failure_that_follows_no_assumption_is_told_at_once() -> None:
    runs = []

    def body(y: Tensor) -> None:
        runs.append(1)
        raise ValueError("as written")

    with pytest.raises(SimulationError, match="as written$"):
        _answers(body)
    assert len(runs) == 1
