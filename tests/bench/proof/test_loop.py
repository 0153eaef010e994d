"""The loop around the items: the limit, going on, what fails. Items themselves are made up, and so is time."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import Result
from bench.proof import run
from bench.proof.clock import RESERVE_S, Clock
from bench.proof.folder import Note
from bench.proof.perform import Place, UnfinishedError
from bench.proof.plan import Item
from bench.results.provenance import describe_environment
from drystep.errors import OutputError
from drystep.measure.failure import ChildError, Failure
from tests.bench.proof.fake_card import CARD, tiny

CASES = [Item("case", replace(tiny("full"), seed=seed)) for seed in range(5)]
FITS = {name: {"verdict": "fits"} for name in run.CLASSES}
TOOK_S = 100.0


class Machine:
    """Time that items take, and what comes of them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.performed: list[Item] = []
        self.outcomes: dict[Item, object] = {}
        """Of an item: a status, or an error that is raised; "ok" without."""

    def perform(self, item: Item, place: Place, limit_s: float) -> str:
        self.performed.append(item)
        self.now_s += min(TOOK_S, limit_s)
        outcome = self.outcomes.get(item, "ok")
        if isinstance(outcome, BaseException):
            raise outcome
        environment = {**describe_environment("cuda", CARD.name), "kernels": {}}
        if item.case is None:
            place.folder.add_note(Note(item.title, outcome, environment=environment))
        else:
            place.folder.add_result(Result(item.case, outcome, environment, fits=FITS if outcome == "ok" else {}))
        return str(outcome)

    def prove(self, root: Path, minutes: float, items=CASES) -> run.Outcome:
        self.performed.clear()
        self.now_s = 0.0
        return run.prove(root, Clock(minutes, lambda: self.now_s), lambda line: None, items)


class NoSimulations:
    """Stands for simulations that others test."""

    problem = ""

    def __init__(self, *arguments: object) -> None:
        pass

    def want(self, case: object, with_sizes: bool = False) -> None:
        pass

    def finish(self, left_s: object) -> int:
        return 0

    def close(self) -> None:
        pass


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(run, "perform", made.perform)
    monkeypatch.setattr(run, "cards", lambda: (CARD,))
    monkeypatch.setattr(run.cuda, "cards", lambda: (CARD,))
    monkeypatch.setattr(run, "Simulations", NoSimulations)
    monkeypatch.setattr(run, "LEAST_CORES_AHEAD", 1 << 20)
    return made


def test_it_stops_at_its_limit_and_goes_on_where_it_stopped(machine: Machine, tmp_path: Path) -> None:
    titles = [item.title for item in CASES]
    four_minutes = machine.prove(tmp_path, minutes=4)
    assert machine.performed == CASES[:2]  # after 200 of 240 s there is no time for another 100
    assert machine.now_s <= 4 * 60 - RESERVE_S
    assert (four_minutes.done, four_minutes.unreached) == (titles[:2], titles[2:])
    lines = (four_minutes.folder / "summary.md").read_text().splitlines()
    assert lines[-6:-1] == [
        "- 3 items were not reached",
        *(f"  - {title}" for title in titles[2:]),
        "- 2 measured cases are not simulated",
    ]
    assert lines[-1] == "- the same command with the same folder goes on here"
    assert machine.prove(tmp_path, minutes=9).done == titles[2:]
    assert machine.performed == CASES[2:]
    assert machine.prove(tmp_path, minutes=9).done == []
    assert machine.performed == []


def test_an_item_that_cannot_end_is_not_begun_and_a_shorter_one_is(machine: Machine, tmp_path: Path) -> None:
    """Cases take 100 s here; of a limit nobody knows yet, so that one is begun in the 36 s that are left."""
    limits = Item("limits", CASES[0].case)
    machine.outcomes[limits] = UnfinishedError("no time")
    folder = tmp_path / "fake-80gb"
    outcome = machine.prove(tmp_path, 4, [*CASES[:3], limits, CASES[3]])
    assert machine.performed == CASES[:2]  # all verdicts of the first case are there, so its limits are done
    assert outcome.done[-1] == limits.title
    assert (folder / "results.jsonl").read_text().count("\n") == 2


def test_what_the_end_of_the_run_stops_is_not_stored(machine: Machine, tmp_path: Path) -> None:
    machine.outcomes[CASES[1]] = UnfinishedError("stopped at the end of the run")
    outcome = machine.prove(tmp_path, minutes=9)
    assert outcome.unreached == [CASES[1].title]
    assert (outcome.folder / "results.jsonl").read_text().count("\n") == 4
    machine.outcomes.clear()
    assert machine.prove(tmp_path, minutes=9).done == [CASES[1].title]


def test_what_fails_is_recorded_and_tried_again_after_the_others(machine: Machine, tmp_path: Path) -> None:
    tests = Item("tests")
    machine.outcomes = {CASES[0]: "error", CASES[1]: KeyError("odd"), tests: "error", CASES[3]: "oom"}
    items = [*CASES[:4], tests]
    outcome = machine.prove(tmp_path, 9, items)
    assert machine.performed == items
    assert outcome.failed == [CASES[0].title, CASES[1].title, tests.title]
    assert outcome.done == [CASES[2].title, CASES[3].title]  # running out of memory is a result
    summary = (outcome.folder / "summary.md").read_text()
    assert "KeyError: 'odd'" in summary
    assert "3 cases tried (1 ok, 1 oom, 1 error)" in summary
    machine.outcomes.clear()
    assert machine.prove(tmp_path, 9, [*items, CASES[4]]).failed == []
    assert machine.performed == [CASES[1], CASES[4], CASES[0], tests]  # what has no result, then what failed
    assert "KeyError" not in (outcome.folder / "summary.md").read_text()


def test_figures_of_older_code_are_measured_last(machine: Machine, tmp_path: Path) -> None:
    machine.prove(tmp_path, 9, CASES[:2])
    stored = tmp_path / "fake-80gb" / "results.jsonl"
    now = describe_environment("cuda", "")["code_hash"]
    first, second = stored.read_text().splitlines()
    stored.write_text(f"{first.replace(now, 'before')}\n{second}\n")
    machine.outcomes[CASES[2]] = "ok"
    machine.prove(tmp_path, 9, CASES[:3])
    assert machine.performed == [CASES[2], CASES[0]]


def test_a_full_disk_ends_the_run(machine: Machine, tmp_path: Path) -> None:
    machine.outcomes[CASES[1]] = OutputError("cannot write to the disk")
    with pytest.raises(OutputError, match="cannot write to the disk"):
        machine.prove(tmp_path, minutes=9)
    assert machine.performed == CASES[:2]
    assert (tmp_path / "fake-80gb" / "summary.md").read_text().count("the run was stopped by cannot write") == 1


def test_what_the_card_cannot_do_is_left_out(machine: Machine, tmp_path: Path, monkeypatch) -> None:
    old = replace(CARD, compute_capability="7.0")  # V100: no bfloat16
    monkeypatch.setattr(run, "cards", lambda: (old,))
    half = Item("case", tiny("full", "amp-bf16"))
    outcome = machine.prove(tmp_path, 9, [CASES[0], half])
    assert machine.performed == CASES[:1]
    assert outcome.left_out == [half.title]
    assert f"- the card cannot do {half.title}" in (outcome.folder / "summary.md").read_text()


def test_a_card_that_cannot_be_looked_at(machine: Machine, tmp_path: Path, monkeypatch) -> None:
    def broken() -> None:
        raise ChildError(Failure("cuda_error", "CUDA driver error: no such thing", "opening"))

    monkeypatch.setattr(run, "cards", broken)
    with pytest.raises(ValueError, match="cannot look at the GPU: CUDA driver error"):
        machine.prove(tmp_path, minutes=9)


def test_of_several_cards_the_first_is_measured(machine: Machine, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run, "cards", lambda: (CARD, replace(CARD, index=1, name="Other")))
    said: list[str] = []
    run.prove(tmp_path, Clock(9, lambda: 0.0), said.append, CASES[:1])
    assert said[0] == "this machine has 2 GPUs: the first, Fake 80GB, is measured"
    assert [path.name for path in tmp_path.iterdir()] == ["fake-80gb"]
