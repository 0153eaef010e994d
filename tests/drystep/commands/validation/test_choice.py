"""Which rows the options of `validate` ask for."""

from pathlib import Path

import pytest

from drystep.commands.validation.choice import KINDS, Chosen, chosen_tables
from drystep.validation.ground_truth import FIELD_REPORTS, SAMPLE, STEPS

CSV, PY = Path("mine.csv"), Path("mine.py")
NONE = dict.fromkeys(("only", "xmem", "reports", "rebuilds", "step_times"))


def _chosen(**options: object) -> Chosen:
    return chosen_tables(**{**NONE, **options})


def test_all_memory_that_is_shipped() -> None:
    assert _chosen() == Chosen(xmem=SAMPLE, reports=FIELD_REPORTS)
    assert _chosen(kinds=(*KINDS, "suite")) == Chosen(xmem=SAMPLE, reports=FIELD_REPORTS, suite=True)


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ("xmem", Chosen(xmem=SAMPLE)),
        ("reports", Chosen(reports=FIELD_REPORTS)),
        ("step-times", Chosen(step_times=STEPS)),
        ("suite", Chosen(suite=True)),
    ],
)
def test_one_kind(only: str, chosen: Chosen) -> None:
    assert _chosen(only=only, kinds=(*KINDS, "suite")) == chosen


def test_a_table_of_the_user_alone() -> None:
    assert _chosen(xmem=CSV) == Chosen(xmem=CSV)
    assert _chosen(step_times=CSV) == Chosen(step_times=CSV)
    assert _chosen(reports=CSV, rebuilds=PY) == Chosen(reports=CSV, rebuilds=PY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reports": CSV}, "^--reports needs --rebuilds FILE.py: the table names the functions"),
        ({"rebuilds": PY}, "^--rebuilds needs --reports FILE.csv: the table names the functions"),
        ({"xmem": CSV, "step_times": CSV}, "^give one table, not --xmem and --step-time$"),
        (
            {"xmem": CSV, "only": "xmem"},
            "^--only chooses among .* shipped: leave it out beside --xmem$",
        ),
        ({"only": "suite"}, "^unknown kind of rows 'suite': choose from xmem, reports, step-times$"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _chosen(**options)
