"""Inference speed, by arithmetic."""

from collections.abc import Callable

from reports.paper.inference import inference_table
from reports.records import frame_of
from tests.reports.conftest import Record


def _timed(line: Record, inference_ms: float, ratio: float | None) -> Record:
    line["time"]["inference_ms"] = {"median": inference_ms, "p10": inference_ms, "p90": inference_ms}
    if ratio is not None:
        spread = {"median": ratio, "p10": ratio, "p90": ratio, "low": ratio, "high": ratio}
        line["time"]["relative_to"] = {"method": "full", "ratio": spread, "inference_ratio": spread}
    return line


def test_times_and_shares_and_images(record: Callable[..., Record]) -> None:
    """Two images in 50 ms are 40 images a second; the share is that of inferences in turns, not of medians."""
    lines = [
        _timed(record("voc", "swin_tiny", "full", step_ms=200.0), 50.0, None),
        _timed(record("voc", "swin_tiny", "lora", step_ms=150.0), 64.0, 1.25),
        _timed(record("coco", "swin_tiny", "lora", step_ms=150.0), 10.0, 1.5),
    ]
    table = inference_table(frame_of(lines))
    assert table is not None
    assert [heading for heading, _ in table.columns] == [
        "Method", "VOC ms", "% of Full", "images/s", "COCO ms", "% of Full", "images/s",
    ]  # fmt: skip
    assert table.cells.to_numpy().tolist() == [
        ["Full", "50.0", "100.0", "40.0", "–", "–", "–"],
        ["LoRA", "64.0", "125.0", "31.2", "10.0", "150.0", "200.0"],
    ]
    assert "**Measured** on a CPU" in table.caption and "Table 5" in table.caption


def test_steps_without_inference_have_no_table(record: Callable[..., Record]) -> None:
    assert inference_table(frame_of([record("voc", "swin_tiny", "full", step_ms=200.0)])) is None
    assert inference_table(frame_of([])) is None
