from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cases.methods import METHODS
from reports.plots.bars import time_by_operator
from reports.predicted_times import (
    calibration_table,
    class_of,
    measured_table,
    predicted_tables,
    step_check_table,
    throughput_tables,
)
from reports.records import frame_of

Record = dict[str, Any]
STEP_MS = {"full": 200.0, "fixed": 80.0, "norm_tuning": 150.0, "e3va": 110.0}


def _predicted(step_ms: float) -> dict[str, Any]:
    kinds = {"linear": step_ms / 2, "elementwise": step_ms / 2}
    interval = {"least_ms": step_ms * 0.9, "most_ms": step_ms / 0.9}
    time = {"step_ms": step_ms, **interval, "by_kind_ms": kinds, "launch_bound_ms": 0.0, "scaled": False}
    return {"v100-32gb": time, "p100-16gb": {"missing": "p100-16gb has no bf16_tflops"}}


@pytest.fixture
def timed(record: Callable[..., Record]) -> list[Record]:
    """VOC, four methods, batches of 2 and 8: the larger is a fifth faster per image and fits what is small."""
    lines = []
    for batch_size, factor in ((2, 1.0), (8, 3.2)):
        for method, step_ms in STEP_MS.items():
            mib = 20_000 if method == "full" else 3_000
            line = record("voc", "swin_large", method, reserved_mib=mib * batch_size // 2, batch_size=batch_size)
            lines.append(line | {"predicted_time": _predicted(step_ms * factor)})
    return lines


def _cells(table: Any) -> list[list[str]]:
    return table.cells.values.tolist()


def test_shares_and_the_papers(timed: list[Record]) -> None:
    (table,) = predicted_tables(frame_of(timed))
    of_card = ["v100-32gb ms", "four of five", "images/s", "% of Full"]
    assert list(table.cells.columns) == ["Method", *of_card, "paper % of Full", "points"]
    assert _cells(table)[0] == ["Full", "200", "180 to 222", "10.0", "100.0", "100.0", "+0.0"]
    assert _cells(table)[1] == ["Fixed", "80", "72 to 89", "25.0", "40.0", "40.0", "+0.0"]
    assert _cells(table)[3] == ["E3VA", "110", "99 to 122", "18.2", "55.0", "–", "–"]  # its default is not the paper's
    # 100, 40, 75 beside 100, 40, 76.67: the same order, and (0 + 0 + 1.67) / 3 apart
    assert "3 rows: rank correlation 1.000, mean absolute difference 0.6 points" in table.caption


def test_a_reference_form_takes_the_papers_row(timed: list[Record]) -> None:
    method = "e3va-reference"
    timed.append(timed[3] | {"case": timed[3]["case"] | {"method": method}, "method": METHODS[method].as_fields()})
    (table,) = predicted_tables(frame_of(timed))
    rows = {cells[0]: cells for cells in _cells(table)}
    assert rows["E3VA"][-2:] == ["–", "–"]
    assert rows["e3va-reference"][-2:] == ["56.7", "-1.7"]


def test_most_images_per_second_that_fit(timed: list[Record]) -> None:
    """E3VA's 8 images of 12 GB fit 31 GB, Full's 80 GB do not."""
    (table,) = throughput_tables(frame_of(timed))
    assert list(table.cells.columns) == ["Method", "v100-32gb"]
    assert _cells(table)[0] == ["Full", "10.0 (2)"]
    assert _cells(table)[3] == ["E3VA", "22.7 (8)"]  # 8 / 0.352 s


def test_measured_beside_predicted(timed: list[Record]) -> None:
    device = {"device": "Tesla V100-PCIE-32GB"}
    gpu = timed[0] | {"case": timed[0]["case"] | {"engine": "cuda"}, "predicted_time": {}, "environment": device}
    gpu["time"] = {"step_ms": {"median": 160.0, "p10": 159.0, "p90": 161.0, "samples": [160.0]}}
    assert measured_table(frame_of(timed)) is None
    table = measured_table(frame_of([*timed, gpu]))
    assert table is not None
    assert "Mean absolute error 25.0 %" in table.caption
    assert _cells(table) == [["VOC, swin_large, Full, fp32", "v100-32gb", "200.0", "160.0", "+25.0"]]
    (predicted,) = predicted_tables(frame_of([*timed, gpu]))
    assert _cells(predicted)[0][-2:] == ["160.0", "100.0"]


def test_a_measurement_under_other_settings_is_not_compared(timed: list[Record]) -> None:
    gpu = timed[0] | {"case": timed[0]["case"] | {"engine": "cuda", "seed": 1}}
    gpu |= {"environment": {"device": "Tesla V100-PCIE-32GB"}, "predicted_time": {}, "time": {"step_ms": {"median": 1}}}
    assert measured_table(frame_of([*timed, gpu])) is None


def test_devices_and_their_classes() -> None:
    classes = ["gtx-1080ti-11gb", "p100-16gb", "rtx-3090-24gb", "v100-32gb"]
    assert class_of("NVIDIA GeForce GTX 1080 Ti", classes) == "gtx-1080ti-11gb"
    assert class_of("Tesla V100-SXM2-32GB", classes) == "v100-32gb"
    assert class_of("NVIDIA H100 80GB HBM3", classes) == ""


def test_trust_in_predicted_times() -> None:
    checks = [
        {"card": "x", "error_percent": 10.0, "roofline_error_percent": -30.0},
        {"card": "x", "error_percent": -20.0, "roofline_error_percent": -50.0},
        {"card": "y", "error_percent": 0.0, "roofline_error_percent": -10.0},
    ]
    table = step_check_table(checks)
    assert table is not None
    assert _cells(table) == [["x", "2", "15.0", "40.0"], ["y", "1", "0.0", "10.0"], ["all cards", "3", "10.0", "30.0"]]
    assert step_check_table([]) is None


def test_nothing_predicted(records: list[Record], tmp_path: Path) -> None:
    frame = frame_of(records)
    assert predicted_tables(frame) == throughput_tables(frame) == []
    assert not time_by_operator(frame, tmp_path / "time.png")


def test_the_picture(timed: list[Record], tmp_path: Path) -> None:
    assert time_by_operator(frame_of(timed), tmp_path / "time.png")
    assert (tmp_path / "time.png").stat().st_size > 10_000


def test_errors_of_calibrations() -> None:
    """Lines of `drystep validate --time`, beside those of single steps, which have a table of their own."""
    line = {
        "card": "rtx-9", "mode": "train", "layout": "nchw", "precision": "fp32", "steps": 40, "mean": 6.44,
        "median": 4.8, "percentile_90": 13.5, "roofline_mean": 39.8, "inside": 79.6,
    }  # fmt: skip
    step = {"id": "a", "card": "b", "error_percent": -3.0, "roofline_error_percent": -30.0}
    table = calibration_table([step, line])
    assert table is not None
    assert _cells(table) == [["rtx-9", "train", "nchw", "fp32", "40", "6.4", "4.8", "13.5", "39.8", "80"]]
    of_steps = step_check_table([step, line])
    assert of_steps is not None
    assert _cells(of_steps)[-1] == ["all cards", "1", "3.0", "30.0"]
    assert calibration_table([step]) is None
    assert step_check_table([line]) is None
