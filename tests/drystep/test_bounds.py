import pytest

from drystep.bounds import is_finite, require_time_limit, require_whole, shown


@pytest.mark.parametrize("value", [3, 4, 5])
def test_whole_numbers_within_their_bounds(value: int) -> None:
    assert require_whole("size", value, 3, 5) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(-(10**5000), "got a number of about 5000 digits$", id="digits"),
        pytest.param([10**5000], "got an object of type list$", id="digits in a list"),
        (2, "^size must be between 3 and 5 MiB, got 2$"),
        (6, "^size must be between 3 and 5 MiB, got 6$"),
        (10**9, "got 1000000000$"),
        (10**25, "got 10000000000000000000000000$"),
        (4.0, "^size must be a whole number between 3 and 5 MiB, got 4.0$"),
        (True, "^size must be a whole number between 3 and 5 MiB, got True$"),
        ("4", "^size must be a whole number between 3 and 5 MiB, got '4'$"),
        (None, "got None$"),
    ],
)
def test_what_is_outside_is_refused_in_words(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_whole("size", value, 3, 5, "MiB")


@pytest.mark.parametrize("seconds", [0.001, 1, 31 * 24 * 3600])
def test_times_that_a_clock_can_wait(seconds: float) -> None:
    assert require_time_limit(seconds) == seconds


@pytest.mark.parametrize("seconds", [0, -1, 31 * 24 * 3600 + 1, 1e10, float("inf"), float("nan"), 10**400])
def test_times_that_none_can(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"must be more than 0 and at most 2678400 seconds \(31 days\), got "):
        require_time_limit(seconds)


@pytest.mark.parametrize(
    ("value", "finite"),
    [(0, True), (-1.5, True), (10**308, True), (10**309, False), (float("nan"), False), (True, False), ("1", False)],
)
def test_what_floats_can_calculate_with(value: object, finite: bool) -> None:
    assert is_finite(value) is finite


def test_long_values_are_cut() -> None:
    assert shown("x" * 40) == repr("x" * 40)
    assert shown("x" * 41) == "'" + "x" * 39 + "..."
    assert len(shown("x" * 10**6)) == len(shown(list(range(1000)))) == 43
