import pandas as pd

from reports.forms import is_as_published, is_itself, is_reference

FRAME = pd.DataFrame(
    [
        ("full", "full", "", ""),
        ("e3va", "e3va", "fused", ""),
        ("e3va-reference", "e3va", "reference", ""),
        ("e3va-recompute", "e3va", "recompute", ""),
        ("e3va-stacked", "e3va", "reference", "stacked"),
        ("e3va+", "e3va+", "fused", ""),
    ],
    columns=["method", "base", "form", "variant"],
)


def test_a_method_itself_and_its_reference_form() -> None:
    assert FRAME["method"][is_itself(FRAME)].tolist() == ["full", "e3va", "e3va+"]
    assert FRAME["method"][is_reference(FRAME)].tolist() == ["e3va-reference"]


def test_the_reference_form_stands_for_its_base_where_there_is_one() -> None:
    assert FRAME["method"][is_as_published(FRAME)].tolist() == ["full", "e3va-reference", "e3va+"]
    without = FRAME.drop(2)
    assert without["method"][is_as_published(without)].tolist() == ["full", "e3va", "e3va+"]
