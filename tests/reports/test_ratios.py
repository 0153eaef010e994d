import pandas as pd

from reports.ratios import percent_above, percent_above_full, percent_of, percent_of_full


def test_shares_and_distances() -> None:
    values = pd.Series([1.0, 2.0, 3.0])
    assert percent_of(values, 2.0).tolist() == [50.0, 100.0, 150.0]
    assert percent_above(values, pd.Series([2.0, 2.0, 2.0])).tolist() == [-50.0, 0.0, 50.0]


def test_full_is_that_of_the_same_backbone() -> None:
    pairs = pd.MultiIndex.from_tuples([("full", "a"), ("e3va", "a"), ("full", "b"), ("e3va", "b"), ("e3va", "c")])
    found = percent_above_full(pd.Series([4.0, 2.0, 8.0, 2.0, 2.0], index=pairs))
    assert found[:4].tolist() == [0.0, -50.0, 0.0, -75.0]
    assert pd.isna(found.iloc[4])


def test_nothing_without_full() -> None:
    values = pd.Series({"e3va": 2.0})
    assert percent_of_full(values).isna().all()
    assert percent_above_full(values).isna().all()
    assert percent_of_full(pd.Series({"full": 4.0, "e3va": 1.0})).tolist() == [100.0, 25.0]
