"""Summaries of checks, by hand."""

from dataclasses import replace

import pytest

from drystep.validation.field_reports.check import ReportCheck
from drystep.validation.field_reports.summaries import RivalSummary, summarise_reports, summarise_rivals

CHECK = ReportCheck(
    id="a", family="one", quantity="peak_allocated", rules="PyTorch 1.8", precision="fp32", predicted_bytes=1010,
    least_bytes=1000, most_bytes=1020, measured_bytes=1000, rounding_bytes=5, by_trial=False, predicted_verdict="",
    measured_verdict="", usable_bytes=5000, accelerate_bytes=100, memtracker_bytes=None, memtracker_message="",
    seconds=1.0,
)  # fmt: skip
TRIAL = replace(CHECK, predicted_bytes=500, least_bytes=500, most_bytes=3000, by_trial=True)
VERDICT = replace(
    CHECK, quantity="verdict", predicted_bytes=None, least_bytes=None, most_bytes=None, measured_bytes=None,
    predicted_verdict="fits", measured_verdict="fits",
)  # fmt: skip


def test_errors_within_rounding() -> None:
    (summary,) = summarise_reports([CHECK, replace(CHECK, predicted_bytes=970), replace(CHECK, predicted_bytes=1004)])
    assert (summary.rows, summary.compared) == (3, 3)
    assert summary.median_percent == pytest.approx(1.0)  # 1, 3 and 0.4
    assert summary.max_percent == pytest.approx(3.0)
    assert summary.within_rounding == 1


def test_what_cudnn_chose_by_trial_counts_apart() -> None:
    (summary,) = summarise_reports([CHECK, TRIAL, replace(TRIAL, most_bytes=700)])
    assert (summary.rows, summary.compared, summary.max_percent) == (3, 1, pytest.approx(1.0))
    assert (summary.intervals_right, summary.intervals) == (1, 2)


def test_verdicts_right_undecided_and_wrong() -> None:
    verdicts = [VERDICT, replace(VERDICT, measured_verdict="oom"), replace(VERDICT, predicted_verdict="depends")]
    (summary,) = summarise_reports([*verdicts, VERDICT])
    assert (summary.verdicts_right, summary.verdicts_undecided, summary.verdicts) == (2, 1, 4)
    assert (summary.compared, summary.median_percent, summary.max_percent) == (0, None, None)


def test_families_in_order_and_all_of_them() -> None:
    summaries = summarise_reports([replace(CHECK, family="two"), CHECK, VERDICT])
    assert [(summary.family, summary.rows) for summary in summaries] == [("two", 1), ("one", 2), ("all rows", 3)]


def test_rivals_on_the_rows_to_which_they_apply() -> None:
    tracked = replace(CHECK, predicted_bytes=980, memtracker_bytes=1300)
    too_large = replace(VERDICT, measured_verdict="oom", predicted_verdict="oom")
    accelerate, memtracker = summarise_rivals([CHECK, tracked, TRIAL, VERDICT, too_large])
    assert accelerate == RivalSummary(
        "accelerate estimate-memory", 2, pytest.approx(90), pytest.approx(1.5), 1, 2, 2
    )  # 100 of 1000 bytes; it says that 100 of 5000 bytes fit
    assert memtracker == RivalSummary("PyTorch's MemTracker", 1, pytest.approx(30), pytest.approx(2), 0, 0, 0)


def test_what_memory_says_of_a_card() -> None:
    assert [VERDICT.verdict_of(size) for size in (5000, 5001, None)] == ["fits", "oom", ""]
    assert CHECK.verdict_of(5001) == ""  # nothing was published about a card


def test_no_rival_said_anything() -> None:
    assert summarise_rivals([replace(CHECK, accelerate_bytes=None)]) == []
