"""Factors from tables of steps: made-up steps give back the factors that made them."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drystep.calibration import fitting
from drystep.calibration.fitting import Columns, calibrate, columns_of, count_all
from drystep.calibration.step_table import MeasuredStep
from drystep.calibration.traced import StepToTrace, counted_work
from drystep.gpus.peaks import Peaks
from drystep.operators import Work
from drystep.time.calibrated.calibration import Calibration, write_calibration
from drystep.time.calibrated.resources import total_us
from drystep.time.calibrated.typical import typical_factor
from drystep.time.predict import predict
from drystep.trace.trace import Operator, Trace
from tests.drystep.calibration.made_up_steps import CARD, KERNEL_US, counted, rows, true_factor

STEP = StepToTrace("test_resnet", 2, 64, "fp32", "inference", "nchw", "2.11")
BAD_STEP = replace(STEP, model="test_vit", image_size=63)


@pytest.fixture(scope="module")
def columns() -> Columns:
    return columns_of(rows(), counted(), CARD)


@pytest.fixture(scope="module")
def calibration(columns: Columns) -> Calibration:
    return calibrate(rows(), columns, CARD, "made up", "nothing")


def test_columns_are_times_at_the_peaks(columns: Columns) -> None:
    """One for each resource of each group, and one that counts kernels, a microsecond each."""
    for row, milliseconds in zip(rows(), columns.milliseconds.tolist(), strict=True):
        sums, kernels = total_us(counted()[row.step], CARD.peaks, CARD.name)
        found = {key: ms * 1e3 for key, ms in zip(columns.keys, milliseconds, strict=True) if ms}
        assert found == pytest.approx({**sums, None: kernels}, rel=1e-5)
    for key, typical in zip(columns.keys, columns.typical.tolist(), strict=True):
        assert key is None or typical == pytest.approx(typical_factor(key), rel=1e-5)
    assert columns.measured_ms.tolist() == pytest.approx([row.milliseconds for row in rows()], rel=1e-5)
    assert columns.families == tuple(row.family for row in rows())


def test_most_of_the_time_has_the_factors_that_made_it(calibration: Calibration, columns: Columns) -> None:
    """Each factor counts by its share of the steps, which are fewer than the factors."""
    true = columns.milliseconds.new_tensor([true_factor(key) if key else KERNEL_US for key in columns.keys])
    shares = (columns.milliseconds * true / columns.measured_ms[:, None]).mean(0)
    found = true.new_tensor([calibration.factors[key] if key else calibration.kernel_us for key in columns.keys])
    assert float(shares.sum()) == pytest.approx(1)
    off, typically = (float(shares @ (factors / true - 1).abs()) for factors in (found, columns.typical))
    assert off < 0.65 * typically


def test_predictions_are_what_was_measured(calibration: Calibration, tmp_path: Path) -> None:
    """Through the file, as a user's card takes it."""
    path = tmp_path / "card.json"
    write_calibration(calibration, path)
    peaks = replace(CARD.peaks, factors=str(path), operators="", scaled=False)
    errors = []
    for row in rows():
        parts = list(counted()[row.step].elements())
        trace = Trace(
            operators=[Operator("any", "forward") for _ in parts], work=list(enumerate(parts)), steady_steps=1
        )
        time = predict(trace, peaks)
        assert not time.scaled
        assert time.coverage == pytest.approx(1)
        errors.append(time.step_ms / row.milliseconds - 1)
    assert max(map(abs, errors)) < 0.03


def test_what_a_calibration_says_of_itself(calibration: Calibration) -> None:
    measured = rows()
    assert (calibration.card, calibration.mode, calibration.source) == (CARD.name, "inference", "made up")
    assert calibration.date == f"{datetime.now(UTC):%Y-%m-%d}"
    assert calibration.families == len({row.family for row in measured})
    assert calibration.peaks["bandwidth_gbs"] == CARD.peaks.bandwidth_gbs
    assert calibration.peaks["multiprocessors"] == CARD.peaks.multiprocessors
    assert "scaled" not in calibration.peaks
    errors = calibration.errors
    assert errors.steps == len(measured)
    assert 0 < errors.median <= errors.percentile_90 < 25
    assert errors.mean < 12  # typical factors are off by half and more
    assert 60 < errors.roofline_mean < 100
    assert errors.inside == pytest.approx(80, abs=100 / len(measured))
    (part,) = calibration.parts
    assert (part.layout, part.precision, part.errors) == ("nchw", "fp32", errors)
    assert set(part.worst_families) < {row.family for row in measured}


RESNET50 = StepToTrace("resnet50", 32, 224, "fp32", "train", "nchw", "2.11")


@pytest.fixture(scope="module")
def resnet50() -> Counter[Work]:
    return counted_work(RESNET50)


@pytest.mark.parametrize("milliseconds", [0.3, 300_000.0])
def test_a_time_in_another_unit(resnet50: Counter[Work], milliseconds: float) -> None:
    """32 images with 3 passes of 8.2 * 10^9 operations take at least 22 ms at 35.6 * 10^12 a second."""
    row = MeasuredStep(7, RESNET50, milliseconds, "resnet")
    message = (
        rf"^line 7: a step of timm:resnet50 with 32 images cannot take {milliseconds:g} ms on RTX 3090 \(24 GB\), "
        r"which needs [0-9.]+ ms at its peaks: the time may be in another unit$"
    )
    with pytest.raises(ValueError, match=message):
        columns_of([row], {RESNET50: resnet50}, CARD)
    assert len(columns_of([replace(row, milliseconds=100.0)], {RESNET50: resnet50}, CARD).measured_ms) == 1


def test_a_card_that_lacks_a_peak() -> None:
    card = replace(CARD, peaks=Peaks(fp32_tflops=35.6, bandwidth_gbs=936))
    with pytest.raises(ValueError, match="rtx-3090-24gb has no multiprocessors: a step time needs it"):
        columns_of(rows(), counted(), card)


def test_rows_of_one_step_are_traced_once() -> None:
    measured = [MeasuredStep(line, STEP, 1.0 + line, "resnet") for line in (2, 3)]
    traced = []
    found = count_all(measured, lambda: traced.append(1), workers=1)
    assert found == {STEP: counted_work(STEP)}
    assert traced == [1]
    two = columns_of([replace(row, milliseconds=0.1) for row in measured], found, CARD)
    assert two.milliseconds[0].tolist() == two.milliseconds[1].tolist()


def test_a_step_that_cannot_be_traced() -> None:
    measured = [MeasuredStep(line, step, 1.0, "any") for line, step in ((2, STEP), (3, BAD_STEP), (4, BAD_STEP))]
    with pytest.raises(ValueError, match="^line 3: cannot trace timm:test_vit: AssertionError: .*height"):
        count_all(measured, lambda: None, workers=1)


def test_other_processes_trace_as_this_one_does() -> None:
    found = list(fitting._in_order([STEP, BAD_STEP], workers=2))
    assert found == list(fitting._in_order([STEP, BAD_STEP], workers=1))
    assert found[0] == counted_work(STEP)
