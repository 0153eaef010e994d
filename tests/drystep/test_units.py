import pytest

from drystep.units import parse_percent


@pytest.mark.parametrize(
    ("text", "percent"), [("1%", 1.0), ("25", 25.0), ("0.5 %", 0.5), ("0%", 0.0), ("1000000%", 1e6)]
)
def test_percentages(text: str, percent: float) -> None:
    assert parse_percent(text) == percent


@pytest.mark.parametrize("text", ["nan", "inf", "-1%", "1e3", "", "%", "lots", "1..5", "٣%", "9" * 50 + "."])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(ValueError, match="tolerance .{0,42} is not a percentage, such as 1%"):
        parse_percent(text)


@pytest.mark.parametrize("text", ["1000001", "9" * 400, "9" * 5000 + "%"])
def test_a_tolerance_that_none_is(text: str) -> None:
    with pytest.raises(ValueError, match="tolerance '.{0,42} must be between 0% and 1000000%"):
        parse_percent(text)
