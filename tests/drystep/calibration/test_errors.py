"""Errors of predicted steps, by arithmetic."""

import pytest
import torch

from drystep.calibration.errors import Checked, errors_of, parts_of
from drystep.calibration.step_table import MeasuredStep
from drystep.calibration.traced import StepToTrace
from drystep.time.calibrated.calibration import Errors


def _row(family: str, layout: str, precision: str) -> MeasuredStep:
    return MeasuredStep(2, StepToTrace("resnet50", 8, 224, precision, "train", layout, "2.11"), 100.0, family)


ROWS = [
    _row("a", "nchw", "fp32"),
    _row("a", "nchw", "fp32"),
    _row("b", "nchw", "fp32"),
    _row("c", "nhwc", "amp-fp16"),
    _row("d", "nhwc", "amp-fp16"),
]
CHECKED = Checked(
    rows=ROWS,
    measured_ms=torch.full((5,), 100.0).double(),
    predicted_ms=torch.tensor([110.0, 130.0, 95.0, 60.0, 100.0]).double(),
    roofline_ms=torch.tensor([50.0, 50.0, 50.0, 20.0, 30.0]).double(),
    inside=torch.tensor([True, False, True, True, True]),
)


def test_errors() -> None:
    """10, 30, 5, 40 and 0 %; the 90th percentile lies between the two largest, at six tenths."""
    assert CHECKED.percent.tolist() == pytest.approx([10, 30, -5, -40, 0])
    assert errors_of(CHECKED) == Errors(5, mean=17.0, median=10.0, percentile_90=36.0, roofline_mean=60.0, inside=80.0)


def test_parts_are_layouts_and_precisions_with_their_worst_families() -> None:
    first, second = parts_of(CHECKED)
    assert (first.layout, first.precision) == ("nchw", "fp32")
    assert first.errors == Errors(3, mean=15.0, median=10.0, percentile_90=26.0, roofline_mean=50.0, inside=66.67)
    assert first.worst_families == {"a": 20.0, "b": -5.0}
    assert (second.layout, second.precision) == ("nhwc", "amp-fp16")
    assert second.worst_families == {"c": -40.0, "d": 0.0}
    assert list(second.worst_families) == ["c", "d"]


def test_three_families_are_named() -> None:
    rows = [_row(family, "nchw", "fp32") for family in "abcd"]
    ones = torch.ones(4).double()
    predicted = torch.tensor([1.1, 0.6, 1.2, 1.3]).double()
    (part,) = parts_of(Checked(rows, ones, predicted, ones, ones.bool()))
    assert list(part.worst_families) == ["b", "d", "c"]
