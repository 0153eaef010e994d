import pytest

from bench.commands import published_checks
from drystep.units import GIB
from drystep.validation.check import Check
from reports.records import retinanet_peaks, upernet_peaks

QUICK = ("resnet50 pytorch", "resnet50 caffe", "resnext101_64x4d pytorch")
RETINANETS = [
    pytest.param(row, id=name, marks=() if name in QUICK else pytest.mark.nightly)
    for row in retinanet_peaks()
    for name in [f"{row['backbone']} {row['style']}"]
]


def test_published_peaks_are_compared_as_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_checks, "PUBLISHED_PROFILE", "torch-2.11")
    monkeypatch.setattr(published_checks, "upernet_peaks", lambda: upernet_peaks()[:1])
    monkeypatch.setattr(published_checks, "retinanet_peaks", list)
    (check,) = published_checks.check_published()
    assert (check.quantity, check.measured_oom) == ("allocated", None)
    assert check.measured_bytes / GIB == pytest.approx(5.02)
    assert 0.5 * check.measured_bytes < check.predicted_bytes < check.measured_bytes  # less is kept since PyTorch 2


@pytest.mark.parametrize("row", RETINANETS)
def test_retinanets_are_near_what_mmdetection_published(monkeypatch: pytest.MonkeyPatch, row: dict) -> None:
    """One setting for all rows. mmdetection matched anchors otherwise by 2022 (`reports/published/README.md`)."""
    (check,) = _retinanet_checks(monkeypatch, row)
    assert check.group == "mmdetection"
    assert check.predicted_bytes == pytest.approx(check.measured_bytes, rel=0.04 if row["trained"] < "2021" else 0.08)


def test_the_fullest_image_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further object takes 9 values of 4 bytes for each of the anchors: 9 in every cell of five levels."""
    row = retinanet_peaks()[0]
    (fullest,) = _retinanet_checks(monkeypatch, row)
    monkeypatch.setattr(published_checks, "FULLEST_IMAGE", published_checks.FULLEST_IMAGE - 20)
    (other,) = _retinanet_checks(monkeypatch, row)
    anchors = 9 * (100 * 168 + 50 * 84 + 25 * 42 + 13 * 21 + 7 * 11)
    assert fullest.predicted_bytes - other.predicted_bytes == pytest.approx(20 * 36 * anchors, rel=0.03)


def _retinanet_checks(monkeypatch: pytest.MonkeyPatch, *rows: dict) -> list[Check]:
    monkeypatch.setattr(published_checks, "upernet_peaks", list)
    monkeypatch.setattr(published_checks, "retinanet_peaks", lambda: rows)
    return list(published_checks.check_published())
