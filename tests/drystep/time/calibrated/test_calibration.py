"""Files of calibrations: what is written is read again, and what is none is refused with its path."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drystep.errors import OutputError
from drystep.gpus.classes import read_gpus
from drystep.operators import Work
from drystep.time.calibrated import calibration as module
from drystep.time.calibrated.calibration import (
    Calibration,
    Errors,
    PartErrors,
    calibration_of,
    nearest_calibrated,
    read_calibration,
    shipped,
    write_calibration,
)
from drystep.time.calibrated.spread import Spread
from drystep.time.calibrated.typical import typical_factor

ERRORS = Errors(40, 9.5, 7.25, 21.0, 55.5, 80.0)
CALIBRATION = Calibration(
    card="rtx-3090-24gb",
    mode="train",
    factors={("elementwise", "bytes"): 1.125, ("linear.half", "bytes"): 1.5, ("linear.half", "operations"): 2.25},
    kernel_us=2.5,
    spread=Spread({"elementwise": 0.05, "linear.half": 0.125}, 1.25),
    errors=ERRORS,
    source="made up",
    measured_with="nothing",
    date="2026-11-26",
    families=12,
    parts=(PartErrors("nhwc", "amp-fp16", ERRORS, {"resnet": -12.5}),),
    peaks={"fp32_tflops": 35.6, "multiprocessors": 82},
)


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    write_calibration(CALIBRATION, tmp_path / "good.json")
    return json.loads((tmp_path / "good.json").read_text())


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "card.json"
    write_calibration(CALIBRATION, path)
    assert read_calibration(path) == CALIBRATION
    assert calibration_of(str(path), "train") == CALIBRATION


def test_groups_and_resources_that_steps_did_not_have() -> None:
    work = Work("linear", 100, 100, 1, torch.float16, group="linear.half")
    assert CALIBRATION.knows(work)
    assert not CALIBRATION.knows(replace(work, group="linear.single"))
    assert not CALIBRATION.knows(replace(work, group=""))  # then the kind's name counts, which is "linear"
    assert CALIBRATION.factor(("linear.half", "operations")) == 2.25
    for key in (("linear.half", "items"), ("linear.single", "bytes")):
        assert CALIBRATION.factor(key) == typical_factor(key)


MISSING = object()
BAD: dict[str, tuple[tuple[str, ...], Any]] = {
    "another format": (("format",), "drystep calibration 2"),
    "no format": (("format",), MISSING),
    "no errors": (("errors",), MISSING),
    "another error": (("errors", "largest"), 3.0),
    "a lacking error": (("errors", "mean"), MISSING),
    "an error that is text": (("errors", "mean"), "small"),
    "no groups": (("groups",), MISSING),
    "groups in a list": (("groups",), []),
    "a group that is a number": (("groups", "elementwise"), 1.0),
    "a group without its error": (("groups", "elementwise", "error"), MISSING),
    "a factor that is text": (("groups", "elementwise", "bytes"), "many"),
    "a factor that is no number": (("groups", "elementwise", "bytes"), math.nan),
    "a negative factor": (("groups", "elementwise", "bytes"), -1.0),
    "a factor without bounds": (("groups", "elementwise", "bytes"), math.inf),
    "an infinite count": (("families",), math.inf),
    "parts in a number": (("parts",), 3),
    "an unknown mode": (("mode",), "training"),
    "a card that is no text": (("card",), 3),
    "a negative time": (("kernel_us",), -1.0),
    "a negative width": (("width",), -1.0),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_calibration(content: dict[str, Any], tmp_path: Path, name: str) -> None:
    (*parents, last), value = BAD[name]
    place = content
    for parent in parents:
        place = place[parent]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"bad\.json is not a calibration as drystep calibrate --from writes it: \S"):
        read_calibration(path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff\xfe\x00", b"[" * 100_000])
def test_files_of_another_kind(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"bad\.json is not a calibration"):
        read_calibration(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json is not a calibration .*No such file"):
        calibration_of(str(tmp_path / "none.json"), "train")


def test_a_folder_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write the calibration to .*: Is a directory"):
        write_calibration(CALIBRATION, tmp_path)


def test_of_a_card_that_has_one_mode_it_stands_for_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, card, mode in (("a", "both", "train"), ("b", "both", "inference"), ("c", "one", "inference")):
        write_calibration(replace(CALIBRATION, card=card, mode=mode), tmp_path / f"{name}.json")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "shipped", shipped.__wrapped__)
    for card, mode, expected in (
        ("both", "train", "train"),
        ("both", "inference", "inference"),
        ("one", "train", "inference"),
        ("one", "inference", "inference"),
    ):
        found = calibration_of(card, mode)
        assert (found.card, found.mode) == (card, expected)
    with pytest.raises(ValueError, match="unknown calibrated card 'neither': choose from both, one"):
        calibration_of("neither", "train")


def test_ours_hold_sane_figures() -> None:
    for (card, mode), calibration in shipped().items():
        where = f"{card}, {mode}"
        assert all(1e-4 < factor < 1e6 for factor in calibration.factors.values()), where
        groups = {group for group, _ in calibration.factors}
        assert {group for group, resource in calibration.factors if resource == "bytes"} == groups, where
        assert set(calibration.spread.by_group) == groups, where
        assert all(0 <= error < 2 for error in calibration.spread.by_group.values()), where
        assert 0.5 < calibration.spread.width < 5, where
        assert 0 < calibration.kernel_us < 50, where
        errors = calibration.errors
        assert errors.steps >= calibration.families >= 2, where
        assert 0 < errors.median <= errors.percentile_90, where
        assert 0 < errors.mean < errors.roofline_mean, where
        assert 75 < errors.inside < 85, where
        assert sum(part.errors.steps for part in calibration.parts) == errors.steps, where
        assert calibration.source and calibration.measured_with, where
        assert calibration.peaks["bandwidth_gbs"] > 0, where


def test_a_card_without_factors_takes_those_of_the_nearest_architecture() -> None:
    nearest = {
        "6.1": "rtx-3090-24gb", "8.0": "rtx-3090-24gb", "8.9": "rtx-4090-24gb", "9.0": "h200-141gb",
        "10.0": "h200-141gb", "12.1": "rtx-5090-32gb", "": "rtx-3090-24gb",
    }  # fmt: skip
    assert {version: nearest_calibrated(version) for version in nearest} == nearest


def test_our_cards_name_the_nearest() -> None:
    for gpu in read_gpus().values():
        assert gpu.peaks.factors == nearest_calibrated(gpu.compute_capability)
