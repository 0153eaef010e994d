from pathlib import Path

import pytest

from drystep.cuda.rules import Rules
from drystep.validation.field_reports.rows import COLUMNS, read_reports

ROW = {
    "id": "a", "torch": "1.12", "ddp": "yes", "cudnn_benchmark": "no", "precision": "fp32", "rebuild": "make",
    "args": "(2, 'x')", "quantity": "peak_allocated", "measured": "4.2", "unit": "GiB", "card": "V100-32GB",
}  # fmt: skip


def table(folder: Path, **changed: str) -> Path:
    row = ROW | changed
    path = folder / "reports.csv"
    path.write_text(",".join(row) + "\n" + ",".join(f'"{value}"' for value in row.values()) + "\n")
    return path


def test_a_row(tmp_path: Path) -> None:
    (report,) = read_reports(table(tmp_path))
    assert report.rules == Rules(torch="1.12", ddp=True)
    assert report.args == (2, "x") and report.card == "V100-32GB"
    assert report.measured_bytes == round(4.2 * 2**30)
    assert report.rounding_bytes == round(0.05 * 2**30)


def test_units_and_verdicts(tmp_path: Path) -> None:
    (whole,) = read_reports(table(tmp_path, measured="11818", unit="MiB"))
    assert (whole.measured_bytes, whole.rounding_bytes) == (11818 << 20, 1 << 19)
    (verdict,) = read_reports(table(tmp_path, quantity="verdict", measured="oom", unit="-"))
    assert (verdict.measured_bytes, verdict.verdict) == (None, "oom")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"torch": "0.4"}, "unknown version of PyTorch '0.4': choose from 1.7"),
        ({"ddp": "maybe"}, "unknown ddp 'maybe': choose from yes, no"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"quantity": "peak"}, "unknown quantity 'peak': did you mean peak_.* choose from peak_allocated"),
        ({"measured": "a lot"}, "measured must be a number such as 11818 or 4.23, got 'a lot'"),
        ({"measured": "-1"}, "measured must be a number"),
        ({"measured": "1e400"}, "measured must be a number"),
        ({"unit": "bit"}, "unknown unit 'bit': choose from MiB, GiB, GB, MB"),
        ({"args": "__import__('os')"}, "args must be a Python tuple"),
        ({"args": "[1]"}, "args must be a Python tuple"),
        ({"args": ""}, "args is empty"),
        ({"quantity": "verdict", "measured": "perhaps"}, "unknown verdict 'perhaps': choose from fits, oom"),
    ],
)
def test_bad_rows_name_their_line(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=rf"reports.csv:2: {message}"):
        read_reports(table(tmp_path, **changed))


def test_bad_tables(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read reports from"):
        read_reports(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="has no rows"):
        read_reports(tmp_path / "empty.csv")
    (tmp_path / "short.csv").write_text("id,torch\na,1.12\n")
    with pytest.raises(ValueError, match=f"lacks the columns {', '.join(COLUMNS[2:])}"):
        read_reports(tmp_path / "short.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a table in CSV"):
        read_reports(tmp_path / "binary.csv")
