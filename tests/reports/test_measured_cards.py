"""Tables of what cards measured, from the summaries that `python -m bench prove` writes."""

from pathlib import Path

import pytest

from reports import measured_cards
from reports.cells import MISSING
from reports.document import write_report
from reports.measured_cards import FIGURES, TEXTS, measured_tables

MIB = 1 << 20
GPUS = ("small", "large")
COLUMNS = [*TEXTS, *FIGURES, *(f"{gpu}_{side}" for gpu in GPUS for side in ("measured", "simulated")), "message"]
ROW = {
    "card": "NVIDIA H100", "task": "voc", "method": "norm_tuning", "backbone": "swin_large", "image_size": "608x1024",
    "precision": "fp32", "status": "ok", "driver": "580.1", "torch": "2.11.0", "cuda": "13.0",
    "measured_at": "2026-01-31T12:00:00+00:00", "batch_size": 2, "measured_allocated_bytes": 1000 * MIB,
    "simulated_allocated_bytes": 990 * MIB, "allocated_error_percent": -1.0, "measured_reserved_bytes": 2000 * MIB,
    "simulated_reserved_bytes": 2010 * MIB, "reserved_error_percent": 0.5, "nvml_process_bytes": 2500 * MIB,
    "measured_step_ms": 100.0, "predicted_step_ms": 90.04, "step_error_percent": -9.96, "small_measured": "oom",
    "small_simulated": "fits", "large_measured": "fits", "large_simulated": "fits", "message": "",
}  # fmt: skip
FAILED = {
    **dict.fromkeys(COLUMNS, ""), "card": "NVIDIA H100", "task": "coco", "method": "new", "backbone": "swin_tiny",
    "image_size": "64x64", "precision": "amp-bf16", "status": "error", "batch_size": 1,
}  # fmt: skip
WORSE = {**ROW, "method": "full", "allocated_error_percent": 3.0, "large_simulated": ""}
OPEN = {**ROW, "method": "lora", "small_simulated": "depends", "allocated_error_percent": ""}


def _write(folder: Path, *rows: dict) -> None:
    folder.mkdir()
    lines = [COLUMNS, *([row[column] for column in COLUMNS] for row in rows)]
    (folder / "summary.csv").write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")


def test_figures_and_what_they_come_to(tmp_path: Path) -> None:
    _write(tmp_path / "nvidia-h100", ROW, FAILED, WORSE, OPEN)
    figures, verdicts = measured_tables(tmp_path)
    assert figures.title == "Measured on NVIDIA H100"
    assert "driver 580.1, PyTorch 2.11.0, CUDA 13.0, 2026-01-31" in figures.caption.replace("\\", "").replace("(", "")
    assert "allocated 2.00 %, reserved 0.50 %, step time 9.96 %" in figures.caption
    first, failed, *_ = figures.cells.to_numpy().tolist()
    assert first == [
        "Norm-Tuning", "VOC", "swin_large 2x608x1024", "fp32", "1 000", "990", "-1.00", "2 000", "2 010", "+0.50",
        "2 500", "100.0", "90.0", "-10.0", "ok",
    ]  # fmt: skip
    assert failed == ["new", "COCO", "swin_tiny 1x64x64", "amp-bf16", *[MISSING] * 10, "error"]
    assert verdicts.title == "What fits smaller cards, measured on NVIDIA H100"
    assert "2 of 4 verdicts agree" in verdicts.caption
    rows = verdicts.cells.to_numpy().tolist()
    assert [row[0] for row in rows] == ["Norm-Tuning", "Full", "LoRA"]  # a case that failed has no verdict
    assert rows[0][4:] == ["OOM (simulated: yes)", "yes"]
    assert rows[1][4:] == ["OOM (simulated: yes)", "yes"]
    assert rows[2][4].startswith("OOM (simulated: ")  # what depends on the algorithms is neither right nor wrong


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\xff\xfe", "card\n", ",".join(COLUMNS) + "\n"])
def test_what_is_no_summary_has_no_table(tmp_path: Path, content: str) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "summary.csv").write_bytes(content.encode("latin-1"))
    assert measured_tables(tmp_path) == []
    assert measured_tables(tmp_path / "nosuch") == []


def test_they_stand_in_the_report_and_on_the_page(records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reports.page.page import page

    measured = tmp_path / "measured"
    measured.mkdir()
    monkeypatch.setattr(measured_cards.measured_tables, "__defaults__", (measured,))
    assert "Measured on" not in write_report(records, tmp_path / "report").read_text()
    assert "Measured on" not in page(records, [])
    _write(measured / "nvidia-h100", {**ROW, "card": "A <b>card</b>"})
    assert "## Measured on A &lt;b>card&lt;/b>" in write_report(records, tmp_path / "report").read_text()
    assert "Measured on A &lt;b&gt;card&lt;/b&gt;" in page(records, [])
