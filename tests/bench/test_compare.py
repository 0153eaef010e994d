import pytest

from bench import Case, Result
from bench.compare import Tolerance, compare

CASE, OTHER = (Case(task="voc", method=method, engine="simulate") for method in ("full", "fixed"))
MIB = 1 << 20


def _result(case: Case = CASE, allocated: int = 100, reserved: int = 120, step_ms: float | None = 50.0, status="ok"):
    time = None if step_ms is None else {"step_ms": {"median": step_ms}}
    memory = {"peak_allocated_bytes": allocated * MIB, "peak_reserved_bytes": reserved * MIB}
    return Result(case=case, status=status, environment={}, memory=memory, time=time)


def _worse(before: Result, after: Result, *tolerance: float) -> set[str]:
    changes = compare([before], [after], Tolerance(*tolerance))
    return {change.metric for change in changes if change.worse}


@pytest.mark.parametrize(
    ("after", "worse"),
    [
        ({}, set()),
        ({"allocated": 101}, set()),  # exactly the tolerance
        ({"allocated": 102}, {"allocated"}),
        ({"reserved": 130}, {"reserved"}),
        ({"reserved": 60}, set()),
        ({"step_ms": 62.0}, set()),
        ({"step_ms": 63.0}, {"step"}),
        ({"step_ms": None}, set()),
    ],
)
def test_growth_beyond_the_tolerance_is_worse(after: dict, worse: set[str]) -> None:
    assert _worse(_result(), _result(**after)) == worse


def test_tolerances_are_per_figure() -> None:
    assert _worse(_result(), _result(allocated=105, step_ms=51.0), 6.0, 1.0) == {"step"}


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [("ok", "oom", True), ("ok", "error", True), ("oom", "error", True), ("oom", "ok", False)],
)
def test_a_worse_status_is_worse(before: str, after: str, worse: bool) -> None:
    (change,) = compare([_result(status=before)], [_result(status=after)], Tolerance())
    assert (change.metric, change.worse) == ("status", worse)


def test_only_common_cases_are_compared() -> None:
    changes = compare([_result(), _result(OTHER)], [_result()], Tolerance())
    assert {change.case for change in changes} == {CASE}
    with pytest.raises(ValueError, match="no case in common"):
        compare([_result(OTHER)], [_result()], Tolerance())
