import pytest

from bench.training.schedule import Schedule


def test_steps_multiply_the_rate_at_each_milestone() -> None:
    schedule = Schedule(kind="step", milestones=(0.5, 0.75))
    assert [schedule.factor_at(step, 8) for step in range(8)] == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_polynomial_falls_to_nothing_after_the_last_step() -> None:
    assert [Schedule(kind="poly").factor_at(step, 4) for step in range(4)] == pytest.approx([1, 0.75, 0.5, 0.25])
    assert Schedule(kind="poly", power=2.0).factor_at(2, 4) == pytest.approx(0.25)


def test_the_warm_up_scales_the_schedules_own_rate() -> None:
    """Linear from 0.1 to 1 in four steps, of a rate that falls by a tenth of itself with each step."""
    schedule = Schedule(kind="poly", warm_up_steps=4, warm_up_ratio=0.2)
    expected = [1.0 * 0.2, 0.9 * 0.4, 0.8 * 0.6, 0.7 * 0.8, 0.6, 0.5]
    assert [schedule.factor_at(step, 10) for step in range(6)] == pytest.approx(expected)
