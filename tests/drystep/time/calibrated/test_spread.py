"""Intervals of made-up errors."""

import math

import pytest
import torch

from drystep.time.calibrated.spread import INSIDE, NEVER_MEASURED, Spread, spread_of

STEPS = 2000


def test_intervals_hold_four_of_five_steps() -> None:
    """Errors of the three groups differ by a factor of ten; a step's error is that of the group it mostly is."""
    sizes = torch.tensor([0.02, 0.06, 0.2], dtype=torch.float64)
    mostly = torch.arange(STEPS) % 3
    shares = torch.full((STEPS, 3), 0.1, dtype=torch.float64)
    shares[torch.arange(STEPS), mostly] = 0.8
    errors = sizes[mostly] * torch.randn(STEPS, dtype=torch.float64)
    groups = "a", "b", "c"
    spread = spread_of(errors, shares, groups)
    halves = torch.tensor([spread.of(dict(zip(groups, row, strict=True))) for row in shares.tolist()])
    inside = errors.abs() <= halves
    assert float(inside.double().mean()) == pytest.approx(INSIDE, abs=0.005)
    assert 2.25 * spread.by_group["a"] < 1.5 * spread.by_group["b"] < spread.by_group["c"]
    fresh = sizes[mostly] * torch.randn(STEPS, dtype=torch.float64)  # errors of steps that it has not seen
    assert float((fresh.abs() <= halves).double().mean()) == pytest.approx(INSIDE, abs=0.04)


def test_of_a_normal_error_four_of_five_lie_within_1_28_deviations() -> None:
    shares = torch.ones(STEPS, 1, dtype=torch.float64)
    spread = spread_of(0.1 * torch.randn(STEPS, dtype=torch.float64), shares, ("all",))
    assert spread.by_group["all"] == pytest.approx(0.1, rel=0.1)
    assert spread.width == pytest.approx(1.2816, rel=0.1)


def test_groups_add_up_by_their_squares() -> None:
    spread = Spread({"a": 0.1, "b": 0.3}, 2.0)
    assert spread.of({"a": 5.0}) == pytest.approx(0.2)
    assert spread.of({"a": 3.0, "b": 1.0}) == pytest.approx(2 * math.sqrt(0.75 * 0.01 + 0.25 * 0.09))
    assert spread.of({}) == 0


def test_groups_that_were_never_measured_widen_the_interval() -> None:
    spread = Spread({"a": 0.1}, 1.0)
    assert spread.of({"new": 1.0}) == pytest.approx(NEVER_MEASURED)
    assert spread.of({"a": 0.5, "new": 0.5}) > spread.of({"a": 1.0})


def test_steps_without_errors_have_no_interval() -> None:
    shares = torch.ones(STEPS, 1, dtype=torch.float64)
    assert spread_of(torch.zeros(STEPS, dtype=torch.float64), shares, ("all",)).of({"all": 1.0}) == 0
