"""What a card measured, beside what today's code simulates: stored where it is of today's code, else anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import Result
from bench.proof import measured_checks
from bench.proof.folder import CARD as CARD_FILE
from bench.proof.folder import Folder
from bench.proof.measured_checks import check_measured
from bench.proof.states import simulated_case
from bench.results.provenance import describe_environment
from drystep.time.calibrate import toml_block
from tests.bench.proof.fake_card import tiny

MEASURED = {"peak_allocated_bytes": 1000, "peak_reserved_bytes": 4000}
SIMULATED = {"peak_allocated_bytes": 900, "peak_reserved_bytes": 4400}
VERDICTS = {
    "gtx-1080ti-11gb": {"verdict": "oom"},
    "p100-16gb": {"verdict": "fits_with_retries"},
    "v100-32gb": {"verdict": "fits"},
}
FITS = {"gtx-1080ti-11gb": {"verdict": "fits"}, "p100-16gb": {"verdict": "fits"}, "v100-32gb": {"verdict": "depends"}}
"""What depends on the algorithms that cuDNN chooses is neither right nor wrong."""
CASE = tiny("full")


@pytest.fixture
def simulations(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands for simulating; notes what was to be simulated."""
    asked: list = []

    def simulate_on(case, gpus, card) -> tuple[Result, None]:
        asked.append((case, [gpu.name for gpu in gpus], card))
        return Result(case, "ok", {}, memory=SIMULATED, fits=FITS), None

    monkeypatch.setattr(measured_checks, "simulate_on", simulate_on)
    return asked


def _store(root: Path, *results: Result) -> Folder:
    folder = Folder(root / "fake-80gb")
    for result in results:
        folder.add_result(result)
    return folder


def _measured(torch: str = "2.11.0") -> Result:
    environment = {"device": "Fake 80GB", "torch": torch}
    return Result(CASE, "ok", environment, memory=MEASURED, fits=VERDICTS)


def test_two_checks_a_case(tmp_path: Path, simulations: list) -> None:
    block = toml_block("fake-80gb", "Fake", 81920, 400, "NVIDIA H100 80GB HBM3", {"fp32_tflops": 50.0}, "9.0")
    out_of_memory = replace(_measured(), case=tiny("lora"), status="oom")
    _store(tmp_path, _measured("2.14.1+cu130"), out_of_memory).write(CARD_FILE, block)
    allocated, reserved = check_measured(tmp_path)
    assert (allocated.group, allocated.quantity, allocated.id) == ("Fake 80GB, allocated", "allocated", CASE.title)
    assert allocated.error_percent == pytest.approx(-10)
    assert reserved.error_percent == pytest.approx(10)
    # One verdict of two is right, whether it fits with retries or without; it counts once, beside reserved memory.
    assert [(check.capped_right, check.capped_runs) for check in (allocated, reserved)] == [(0, 0), (1, 2)]
    ((case, gpus, card),) = simulations
    assert (case.engine, case.torch) == ("simulate", "2.14")
    assert gpus == list(VERDICTS)
    assert card.compute_capability == "9.0"


def test_a_stored_simulation_counts_while_its_code_is_todays(tmp_path: Path, simulations: list) -> None:
    environment = describe_environment("simulate", "none")
    stored = Result(simulated_case(CASE, "2.11.0"), "ok", environment, memory=SIMULATED)
    folder = _store(tmp_path, _measured(), stored)
    assert [check.predicted_bytes for check in check_measured(tmp_path)] == list(SIMULATED.values())
    assert simulations == []
    folder.add_result(replace(stored, environment={**environment, "code_hash": "before"}))
    assert len(list(check_measured(tmp_path))) == 2
    ((_, _, card),) = simulations
    assert card is None  # which was never calibrated


def test_without_measured_cards_there_is_nothing(tmp_path: Path, simulations: list) -> None:
    assert list(check_measured(tmp_path / "nosuch")) == []
    assert list(check_measured(tmp_path)) == []


def test_validate_prints_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, simulations: list) -> None:
    from bench.commands import published_checks, validate
    from drystep.commands.validation import runs

    _store(tmp_path, _measured())
    shown: list = []
    monkeypatch.setattr(measured_checks.check_measured, "__defaults__", (tmp_path,))
    monkeypatch.setattr(published_checks, "check_published", lambda: iter(["published"]))
    monkeypatch.setattr(published_checks, "detection_cases", list)
    monkeypatch.setattr(
        runs, "validate_chosen", lambda chosen, match, tracker, out, as_json, own, tracked: shown.extend(own())
    )
    validate.validate()
    assert shown[0] == "published"
    assert [check.quantity for check in shown[1:]] == ["allocated", "reserved"]
