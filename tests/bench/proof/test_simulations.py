"""Simulations beside the measuring: each case once, again when the card's peaks are known, and none that is current."""

import time
from pathlib import Path

import pytest

from bench import Result
from bench.proof import simulations
from bench.proof.folder import CARD as CARD_FILE
from bench.proof.folder import Folder
from bench.proof.simulations import MOST_PROCESSES, Simulations, card_class, processes_beside
from bench.proof.states import simulated_case
from bench.results.provenance import describe_environment
from drystep.measure.failure import ChildError, Failure
from drystep.time.calibrate import toml_block
from tests.bench.proof.fake_card import CARD, tiny

CASE = tiny("full")
PEAKS = {"fp32_tflops": 50.0, "bandwidth_gbs": 3000.0}


class FakeChild:
    """Answers at once; notes the cases that it was asked for, and whether the card had peaks."""

    asked: list[tuple[str, bool, bool]]
    fails = False

    def __init__(self, opener: str, *others: object) -> None:
        assert opener == simulations.SESSION

    def call(self, name: str, case: dict, gpus: list, card: dict, with_sizes: bool) -> dict:
        calibrated = bool(card["peaks"]["operators"])
        FakeChild.asked.append((case["method"], calibrated, with_sizes))
        if FakeChild.fails:
            raise ChildError(Failure("signal", "killed", "simulation"))
        environment = {**describe_environment("simulate", "none"), "calibrated": calibrated}
        result = Result(simulated_case(tiny(case["method"])), "ok", environment)
        return {"line": result.to_json(), "sizes": [[512, 1]] if with_sizes else None}

    def close(self) -> None:
        pass


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulations, "Child", FakeChild)
    FakeChild.asked, FakeChild.fails = [], False
    folder = Folder(tmp_path)
    running = Simulations(folder, CARD, (), processes=1)
    yield running, folder
    running.close()


def _finish(running: Simulations) -> None:
    end = time.monotonic() + 30
    assert running.finish(lambda: end - time.monotonic()) == 0


def test_each_case_once_and_again_when_the_card_is_calibrated(made) -> None:
    running, folder = made
    running.want(CASE)
    _finish(running)
    running.want(CASE)
    _finish(running)
    assert FakeChild.asked == [("full", False, False)]
    folder.write(CARD_FILE, toml_block("fake-80gb", "Fake 80GB", 81920, 400, "NVIDIA H100 80GB HBM3", PEAKS, "9.0"))
    for _ in range(2):
        running.want(CASE)
        _finish(running)
    assert FakeChild.asked[1:] == [("full", True, False)]
    running.want(CASE, with_sizes=True)
    _finish(running)
    running.want(CASE, with_sizes=True)
    _finish(running)
    assert FakeChild.asked[2:] == [("full", True, True)]


def test_one_that_fails_is_stored_and_costs_no_other(made) -> None:
    running, folder = made
    FakeChild.fails = True
    running.want(CASE)
    _finish(running)
    assert folder.simulated[simulated_case(CASE)].status == "error"
    FakeChild.fails = False
    running.want(CASE)  # not again in one run
    running.want(tiny("e3va"))
    _finish(running)
    assert [result.status for result in folder.simulated.values()] == ["error", "ok"]
    again = Simulations(folder, CARD, (), processes=1)
    again.want(CASE)
    _finish(again)
    again.close()
    assert [result.status for result in folder.simulated.values()] == ["ok", "ok"]


def test_an_answer_that_is_none_costs_no_other(made, monkeypatch: pytest.MonkeyPatch) -> None:
    running, folder = made
    monkeypatch.setattr(FakeChild, "call", lambda *arguments, **named: {"line": "{}"})
    running.want(CASE)
    running.want(tiny("e3va"))
    _finish(running)
    assert [note.status for note in folder.notes.values()] == ["error", "error"]


def test_when_time_is_up_the_rest_is_counted(made, monkeypatch: pytest.MonkeyPatch) -> None:
    running, _ = made

    def slow(*arguments: object, **named: object) -> None:
        time.sleep(0.3)
        raise ChildError(Failure("signal", "killed", "simulation"))

    monkeypatch.setattr(FakeChild, "call", slow)
    running.want(CASE)
    running.want(tiny("e3va"))
    assert running.finish(lambda: 0.0) == 2


def test_a_card_has_its_architecture_before_it_has_peaks(tmp_path: Path) -> None:
    gpu = card_class(CARD, Folder(tmp_path))
    assert (gpu.name, gpu.compute_capability, gpu.visible_mib) == ("fake-80gb", "9.0", 80 << 10)
    assert not gpu.peaks.operators


def test_measuring_keeps_its_cores() -> None:
    assert [processes_beside(cores) for cores in (None, 1, 2, 4, 5, 16)] == [1, 1, 1, 1, 2, MOST_PROCESSES]
