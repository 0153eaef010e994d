"""The whole run on a fake card, from the first case to the last line of the summary."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from bench.proof import run
from bench.proof.clock import Clock
from bench.proof.plan import CLASSES, Item
from bench.results.store import read_results
from drystep.gpus.classes import read_gpus
from reports.measured_cards import measured_tables
from tests.bench.proof.fake_card import CONTEXT_BYTES, EXTRA_BYTES, HELD, FakeChild, install, tiny

ITEMS = [
    Item("case", tiny("full")),
    Item("calibration"),
    Item("case", tiny("lora")),
    Item("case", tiny("adapter")),
    Item("case", tiny("e3va")),
    Item("snapshot", tiny("full")),
    Item("tests"),
    *(Item("limits", tiny(method)) for method in ("full", "lora", "adapter", "e3va")),
]
FOLDER = "fake-80gb"


def _prove(root: Path, items=ITEMS, minutes: float = 9, now=None) -> tuple[run.Outcome, list[str]]:
    said: list[str] = []
    clock = Clock(minutes) if now is None else Clock(minutes, now)
    return run.prove(root, clock, said.append, items), said


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        install(monkeypatch)
        root = tmp_path_factory.mktemp("proof")
        outcome, said = _prove(root)
        yield root / FOLDER, outcome, said


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_what_was_done_and_what_failed(proved) -> None:
    folder, outcome, said = proved
    assert outcome.folder == folder
    titles = [item.title for item in ITEMS]
    failed = [titles[2], "tests"]  # lora's step fails, and so does a test
    assert outcome.failed == failed
    assert outcome.unreached == [titles[8]]  # the limits of what was not measured
    assert outcome.done == [title for title in titles if title not in (*failed, titles[8])]
    assert outcome.not_simulated == 0
    known = 2  # the limits of adapter and e3va: all verdicts follow from their cases
    performed = len(titles) - known - len(outcome.unreached)
    assert len([line for line in said if "minutes left" in line]) == performed


def test_figures_beside_each_other(proved) -> None:
    folder, _, _ = proved
    stored = {
        (result.case.method, result.case.engine): result for result in read_results(folder / "results.jsonl").results
    }
    row, simulated = _rows(folder)["full"], stored["full", "simulate"]
    held, ours = HELD["full"], simulated.memory["peak_allocated_bytes"]
    assert (row["card"], row["task"], row["status"], row["driver"]) == ("Fake 80GB", "voc", "ok", "580.1")
    assert int(row["measured_allocated_bytes"]) == int(row["measured_reserved_bytes"]) == held
    assert int(row["simulated_allocated_bytes"]) == ours
    assert float(row["allocated_error_percent"]) == pytest.approx(100 * (ours / held - 1), abs=1e-3)
    assert int(row["nvml_process_bytes"]) == held + CONTEXT_BYTES
    assert float(row["measured_step_ms"]) == 9.0
    predicted = simulated.predicted_time[FOLDER]["step_ms"]
    assert float(row["predicted_step_ms"]) == pytest.approx(predicted, abs=1e-3)
    assert float(row["step_error_percent"]) == pytest.approx(100 * (predicted / 9 - 1), abs=1e-3)
    assert simulated.environment["rules"].endswith(f"on {FOLDER}")
    assert simulated.memory["peak_allocated_interval_bytes"][0] <= ours
    workspace = 32 << 20  # of cuBLAS on Hopper, which capability 9.0 means; 8.125 MiB elsewhere
    assert simulated.memory["at_peak"]["workspace"] >= workspace


def test_limits_of_smaller_cards(proved) -> None:
    rows = _rows(proved[0])
    measured = {method: [rows[method][f"{name}_measured"] for name in CLASSES] for method in rows}
    assert measured["full"] == ["oom", "fits", "fits", "fits"]
    assert measured["e3va"] == ["fits"] * 4
    assert measured["adapter"] == ["oom"] * 4
    assert (rows["adapter"]["status"], rows["lora"]["status"]) == ("oom", "error")
    assert rows["adapter"]["allocated_error_percent"] == ""  # the peak of a step that broke off is none
    assert [rows["full"][f"{name}_simulated"] for name in CLASSES] == ["fits"] * 4
    assert FakeChild.opened.count(("FakeCardSession", "full")) == 2  # without limit, and under the only one it reaches


def test_files_that_others_read(proved) -> None:
    folder, _, _ = proved
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.toml", "items.jsonl", "requests.jsonl.gz", "results.jsonl", "summary.csv", "summary.md",
    ]  # fmt: skip
    stored = read_results(folder / "results.jsonl")
    assert stored.problems == []
    assert {(result.case.method, result.case.engine) for result in stored.results} == {
        (method, engine) for method in ("full", "lora", "adapter", "e3va") for engine in ("cuda", "simulate")
    }
    card = read_gpus(folder / "card.toml")[FOLDER]
    assert (card.compute_capability, card.context_mib, card.peaks.fp32_tflops) == ("9.0", 1024, 50.0)
    with gzip.open(folder / "requests.jsonl.gz") as file:
        (line,) = map(json.loads, file)
    assert line["item"] == ITEMS[5].title
    assert line["requests"][-1] == EXTRA_BYTES


def test_the_report_reads_it(proved) -> None:
    figures, verdicts = measured_tables(proved[0].parent)
    assert figures.title == "Measured on Fake 80GB"
    assert list(figures.cells["allocated MiB"]) == ["12 288", "0", "0", "3 072"]
    assert list(figures.cells["status"]) == ["ok", "error", "oom", "ok"]
    assert list(verdicts.cells["gtx-1080ti-11gb"]) == ["OOM (simulated: yes)"] * 2 + ["yes"]


def test_the_summary_to_its_last_line(proved) -> None:
    lines = (proved[0] / "summary.md").read_text().splitlines()
    assert lines[0] == "# Measured on Fake 80GB"
    assert "- 81920 MiB, compute capability 9.0" in lines
    assert "- driver 580.1" in lines
    assert "- 4 cases tried (2 ok, 1 oom, 1 error), 4 of them simulated" in lines
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == [
        "## Worst cases", "## Cases", "## Under the limits of smaller cards",
        "## The card's requests, replayed through the simulated allocator",
        "## Requests of one step that only one side has", "## Tests, calibration, and what failed beside the cases",
        "## What is left",
    ]  # fmt: skip
    assert "- gtx-1080ti-11gb: 1 of 3 verdicts agree" in lines
    last_request = json.loads((proved[0] / "items.jsonl").read_text().splitlines()[_line_of_recording(proved[0])])
    count = last_request["figures"]["request_count"]
    (recorded,) = [line for line in lines if line.endswith(f"({count} requests)")]
    # The last request got a segment of its own on the card, and none in the replay.
    assert f"segments differ from request {count - 1} on" in recorded
    assert f"  - only the card: 1 of {EXTRA_BYTES} bytes" in lines
    assert not any(line.startswith("  - only the simulation") for line in lines)
    assert "- tests: error 1 failed, 4 passed" in lines
    assert "  - test_a.py::test: E assert 1" in lines
    assert lines[lines.index("## What is left") :] == [
        "## What is left",
        "",
        "- 1 items were not reached",
        f"  - {ITEMS[8].title}",
        "- the same command with the same folder goes on here",
    ]


def _line_of_recording(folder: Path) -> int:
    items = [json.loads(line)["item"] for line in (folder / "items.jsonl").read_text().splitlines()]
    return items.index(ITEMS[5].title)
