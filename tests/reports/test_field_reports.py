"""The report's table of other people's steps, by hand."""

from reports.cells import MISSING
from reports.document import write_report
from reports.field_reports import KIND, field_reports_table
from reports.validation import validation_tables
from tests.reports.hostile import HOSTILE, is_plain

CHECK = {
    "kind": KIND, "id": "a", "family": "segformer", "quantity": "peak_allocated", "rules": "PyTorch 1.8",
    "predicted_verdict": "", "measured_verdict": "", "judged": None, "predicted_bytes": 101, "least_bytes": 101,
    "most_bytes": 103, "measured_bytes": 100, "error_percent": 1.0, "accelerate_error_percent": -90.0,
    "memtracker_error_percent": None, "by_trial": False, "within_rounding": True, "within_interval": False,
}  # fmt: skip
LOW = {**CHECK, "error_percent": -3.0, "within_rounding": False}
TRIAL = {**CHECK, "error_percent": -70.0, "by_trial": True, "within_interval": True}
VERDICT = {
    **CHECK, "family": "timm_benchmark", "quantity": "verdict", "predicted_bytes": None, "measured_bytes": None,
    "error_percent": None, "accelerate_error_percent": None, "within_rounding": None, "within_interval": None,
    "predicted_verdict": "fits", "measured_verdict": "fits", "judged": "right", "by_trial": True,
}  # fmt: skip
UNDECIDED = {**VERDICT, "predicted_verdict": "depends", "judged": "undecided"}
WRONG = {**VERDICT, "measured_verdict": "oom", "judged": "wrong"}
MEASURED = {
    "kind": "drystep memory check", "id": "a network", "group": "cnn", "quantity": "reserved", "predicted_bytes": 110,
    "measured_bytes": 100, "predicted_oom": False, "measured_oom": False, "capped_right": 2, "capped_runs": 3,
    "error_percent": 10.0, "right_about_oom": True,
}  # fmt: skip


def test_families_and_all_rows() -> None:
    cells = field_reports_table([CHECK, LOW, TRIAL, VERDICT, UNDECIDED, WRONG]).cells
    assert cells.to_numpy().tolist() == [
        ["segformer", "3", "2.00", "3.00", "1 of 2", "1 of 1", MISSING, MISSING, "90.00"],
        ["timm_benchmark", "3", MISSING, MISSING, MISSING, MISSING, "1 of 3", "1 of 3", MISSING],
        ["all rows", "6", "2.00", "3.00", "1 of 2", "1 of 1", "1 of 3", "1 of 3", "90.00"],
    ]
    assert cells.columns[-1] == "accelerate estimate-memory, median error %"


def test_memtracker_stands_beside_where_it_was_asked() -> None:
    cells = field_reports_table([{**CHECK, "memtracker_error_percent": -20.0}, LOW]).cells
    assert list(cells["PyTorch's MemTracker, median error %"]) == ["20.00"]


def test_one_family_of_verdicts_alone() -> None:
    assert field_reports_table([VERDICT]).cells.to_numpy().tolist() == [
        ["timm_benchmark", "1", MISSING, MISSING, MISSING, MISSING, "1 of 1", "0 of 1"]
    ]


def test_measured_runs_and_published_figures_have_a_table_each() -> None:
    measured, published = validation_tables([MEASURED, CHECK])
    assert list(measured.cells["Run"]) == ["a network"]
    assert list(published.cells["Steps"]) == ["segformer"]
    assert validation_tables([CHECK])[0] is None and validation_tables([MEASURED])[1] is None


def test_it_stands_in_the_report(records, tmp_path) -> None:
    title = "## How far to trust it on other people's steps"
    assert title in write_report(records, tmp_path, checks=[MEASURED, CHECK]).read_text()
    assert title not in write_report(records, tmp_path, checks=[MEASURED]).read_text()


def test_names_of_others_are_escaped() -> None:
    checks = [{**CHECK, "family": text, "judged": text, "rules": text} for text in HOSTILE]
    assert is_plain(field_reports_table(checks).to_markdown())
