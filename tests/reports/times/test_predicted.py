import pandas as pd

from reports.cells import MISSING
from reports.times.predicted import PAPERS_CARD, card_times, predicted_columns

TIMES = pd.Series(
    [{PAPERS_CARD: {"step_ms": 200.0}}, {PAPERS_CARD: {"step_ms": 90.0}}, {PAPERS_CARD: {"missing": "x"}}, {}, None],
    index=["full", "lora", "lst", "fixed", "e3va"],
)


def test_times_of_a_card() -> None:
    assert card_times(TIMES).dropna().to_dict() == {"full": 200.0, "lora": 90.0}


def test_milliseconds_and_the_share_of_a_base() -> None:
    assert predicted_columns(TIMES, "full") == [
        (f"{PAPERS_CARD} ms, predicted", ["200", "90", *[MISSING] * 3]),
        ("% of Full", ["100.0", "45.0", *[MISSING] * 3]),
    ]
    assert predicted_columns(TIMES, "e3va")[1][1] == [MISSING] * 5
    assert predicted_columns(TIMES[2:], "full") == []
