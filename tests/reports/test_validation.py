from reports.cells import MISSING
from reports.document import write_report
from reports.validation import validation_table

MIB = 1 << 20
CHECK = {
    "id": "a network", "group": "cnn", "quantity": "reserved", "predicted_bytes": 110 * MIB,
    "lean_bytes": 110 * MIB, "measured_bytes": 100 * MIB, "predicted_oom": False, "measured_oom": False,
    "capped_right": 2, "capped_runs": 3, "seconds": 0.1, "error_percent": 10.0, "right_about_oom": True,
}  # fmt: skip
TOO_LARGE = {**CHECK, "id": "too large", "predicted_oom": True, "measured_oom": True, "error_percent": None}
PUBLISHED = {
    **CHECK, "id": "UPerNet", "group": "mmsegmentation", "quantity": "allocated", "error_percent": -1.0,
    "measured_oom": None, "right_about_oom": None, "capped_right": 0, "capped_runs": 0,
}  # fmt: skip


def test_rows_and_what_they_come_to() -> None:
    table = validation_table([CHECK, TOO_LARGE, PUBLISHED])
    first, second, third = table.cells.to_numpy().tolist()
    assert first == ["a network", "reserved", "110", "100", "+10.00", "no", "no"]
    assert second[4:] == [MISSING, "yes", "yes"]
    assert third[4:] == ["-1.00", "no", MISSING]
    assert "cnn 10.00 % (1 runs), mmsegmentation 1.00 % (1 runs)" in table.caption
    assert "2 of 2 right on the whole device, 4 of 6 under smaller limits" in table.caption


def test_it_stands_in_the_report(records, tmp_path) -> None:
    assert validation_table([]) is None
    assert "## How far to trust it" in write_report(records, tmp_path, checks=[CHECK]).read_text()
    assert "## How far to trust it" not in write_report(records, tmp_path).read_text()
