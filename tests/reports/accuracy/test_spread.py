import pandas as pd
import pytest

from reports.accuracy.spread import with_spread


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ([], "–"),
        ([float("nan")], "–"),
        ([83.46], "83.5 (1)"),
        ([1.0, 2.0, 3.0], "2.0 ± 1.0 (3)"),  # the deviations -1, 0, 1 have the squares' sum 2, over 2
        ([50.0, 52.0, float("nan")], "51.0 ± 1.4 (2)"),  # the root of (1 + 1) / 1
    ],
)
def test_mean_deviation_and_number_of_runs(values: list[float], cell: str) -> None:
    assert with_spread(pd.Series(values, dtype=float), 1) == cell
