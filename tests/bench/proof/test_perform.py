"""What becomes of an item that fails, or that the end of the run stops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import Result
from bench.engines import cuda
from bench.engines.settings import Settings
from bench.proof import perform as module
from bench.proof.ahead import Ahead
from bench.proof.clock import ITEM_LIMIT_S
from bench.proof.folder import Folder
from bench.proof.perform import Place, UnfinishedError, perform
from bench.proof.plan import CLASSES, Item
from bench.results.provenance import CHECKOUT
from drystep.gpus.classes import select_gpus
from drystep.measure.failure import ChildError, Failure
from tests.bench.proof.fake_card import CARD, GIB, tiny

CASE = tiny("full")
TIMEOUT = Failure("timeout", "stopped at its time limit of 5 s (forward phase)", "forward")


class Failing:
    """A process that fails when it is asked."""

    failure = TIMEOUT
    time_limit_s = left_s = 0.0

    def __init__(self, *arguments: Any) -> None:
        pass

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def call(self, name: str, **arguments: Any) -> Any:
        raise ChildError(self.failure)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(module, "Child", Failing)
    monkeypatch.setattr(cuda, "Child", Failing)
    monkeypatch.setattr(Failing, "failure", TIMEOUT)
    return Place(CARD, select_gpus(CLASSES), Folder(tmp_path), Ahead(CARD, False, 10))


KINDS = [Item("case", CASE), Item("snapshot", CASE), Item("calibration"), Item("tests")]


@pytest.mark.parametrize("item", KINDS, ids=lambda item: item.kind)
def test_what_the_end_of_the_run_stops_is_not_stored(place: Place, item: Item) -> None:
    with pytest.raises(UnfinishedError):
        perform(item, place, limit_s=5.0)
    again = Folder(place.folder.path)
    assert (again.measured, again.notes) == ({}, {})


@pytest.mark.parametrize("item", KINDS, ids=lambda item: item.kind)
def test_what_hangs_until_its_own_limit_has_failed(place: Place, item: Item) -> None:
    said = perform(item, place, limit_s=ITEM_LIMIT_S)
    assert said.startswith("error: stopped at its time limit")
    again = Folder(place.folder.path)
    if item.kind == "case":
        assert again.measured[CASE].failure["kind"] == "timeout"
    else:
        assert again.notes[item.title].status == "error"
        assert again.notes[item.title].environment["device"] == CARD.name


def test_a_failure_is_stored_without_paths_of_this_machine(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Failure("exception", f"ImportError: {CHECKOUT}/bench/x.py", "opening")
    monkeypatch.setattr(Failing, "failure", failure)
    perform(KINDS[1], place, limit_s=5.0)
    assert place.folder.notes[KINDS[1].title].message == "ImportError: bench/x.py"


def test_limits_of_what_was_not_measured_cannot_be_tried(place: Place) -> None:
    with pytest.raises(UnfinishedError, match="was not measured"):
        perform(Item("limits", CASE), place, limit_s=5.0)


def test_a_limit_that_fails_leaves_the_verdicts_that_are_known(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 GiB fit the two larger classes without a limit; under that of 16 GB the process dies."""
    memory = {"peak_allocated_bytes": 19 * GIB, "peak_reserved_bytes": 20 * GIB, "alloc_retries": 0}
    measured = Result(CASE, "ok", {"device": CARD.name}, memory=memory)
    place.folder.add_result(measured)
    monkeypatch.setattr(Failing, "failure", Failure("signal", "the process was killed by SIGKILL", "forward"))
    for _ in range(2):
        perform(Item("limits", CASE), place, limit_s=50.0)
        found = Folder(place.folder.path).measured[CASE]
        assert {name: fit["verdict"] for name, fit in found.fits.items()} == {
            "rtx-3090-24gb": "fits", "v100-32gb": "fits",
        }  # fmt: skip
        assert found.message == "p100-16gb and smaller: the process was killed by SIGKILL"


def test_a_case_has_the_verdicts_that_need_no_limit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {"peak_allocated_bytes": 19 * GIB, "peak_reserved_bytes": 20 * GIB, "alloc_retries": 0}
    asked: list[Settings] = []

    def measure(case: Any, card: Any, gpus: Any, settings: Settings, opener: Any) -> Result:
        asked.append(settings)
        return Result(case, "ok", {}, memory=memory)

    monkeypatch.setattr(cuda, "measure", measure)
    assert perform(Item("case", CASE), place, limit_s=7.0) == "allocated 19,456 MiB, reserved 20,480 MiB"
    assert list(place.folder.measured[CASE].fits) == ["rtx-3090-24gb", "v100-32gb"]
    assert asked == [replace(Settings(), time_limit_s=7.0)]
