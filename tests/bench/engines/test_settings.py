import pytest

from bench.engines.settings import Settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, "steps must be between 1 and 100000, got 0"),
        ({"steps": 10**9}, "steps must be between 1 and 100000, got 1000000000"),
        ({"steps": 2.0}, "steps must be a whole number between 1 and 100000, got 2.0"),
        ({"time_limit_s": 0.0}, "the time limit must be more than 0 and at most 2678400 seconds"),
        ({"time_limit_s": float("inf")}, r"at most 2678400 seconds \(31 days\), got inf"),
        ({"time_limit_s": 1e10}, r"at most 2678400 seconds \(31 days\), got 10000000000.0"),
    ],
)
def test_what_no_run_can_do(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**fields)


def test_the_widest_settings() -> None:
    assert Settings(steps=100_000, time_limit_s=31 * 24 * 3600.0)
