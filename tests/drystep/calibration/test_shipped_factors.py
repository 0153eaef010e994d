"""What the shipped factors say of published and measured steps of models that are quick to trace."""

import statistics

import pytest

from drystep.calibration.step_table import MeasuredStep, read_table
from drystep.calibration.traced import counted_work
from drystep.calibration.validation import table_errors
from drystep.gpus.classes import select_gpus
from drystep.time.calibrated.calibration import shipped
from drystep.validation.ground_truth import FOLDER

TABLES = {
    "timm_training_rtx-3090.csv": "rtx-3090-24gb",
    "timm_inference_rtx-3090.csv": "rtx-3090-24gb",
    "timm_inference_rtx-4090.csv": "rtx-4090-24gb",
    "timm_inference_rtx-5090.csv": "rtx-5090-32gb",
}
QUICK = ("mobilenetv3_small_100", "deit_tiny_patch16_224", "mixer_b16_224", "convnext_nano", "seresnet33ts")


def _rows(table: str) -> list[MeasuredStep]:
    return [row for row in read_table(FOLDER / table) if row.step.model in QUICK]


@pytest.mark.parametrize("table", TABLES)
def test_published_steps_of_all_kinds_of_models(table: str) -> None:
    """Within 15 % in the middle. The factors were fitted to these rows, too: what is tested is the rest of the way."""
    rows = _rows(table)
    assert len(rows) >= 3
    (gpu,) = select_gpus([TABLES[table]])
    counted = {row.step: counted_work(row.step) for row in rows}
    found = table_errors(rows, counted, gpu, table)
    assert statistics.median(errors.part.errors.median for errors in found) < 15
    assert all(errors.part.errors.mean < errors.part.errors.roofline_mean for errors in found)


def test_the_shipped_errors_are_as_asked() -> None:
    """Of families that the factors have not seen, in percent."""
    training = {part.layout: part.errors for part in shipped()["rtx-3090-24gb", "train"].parts}
    first = training["nchw"]
    assert (first.mean <= 8, first.median <= 5, first.percentile_90 <= 16) == (True, True, True)
    for card in ("rtx-3090-24gb", "rtx-4090-24gb", "rtx-5090-32gb"):
        assert shipped()[card, "inference"].errors.mean <= 12
