"""The sample report is of today's code: its figures are computed again, and its text is written again."""

from pathlib import Path

import pytest

from bench import Result
from bench.commands.cli import main
from bench.engines import simulate
from bench.results.store import read_results
from drystep.gpus.classes import select_gpus

SAMPLE = Path(__file__).parent.parent / "docs" / "sample-report"
STORED = read_results(SAMPLE / "results.jsonl")
RECOMPUTED = 6
"""Of the simulated results, spread over the file; each fills at least two cells of the tables."""
REMEDY = "run `nox -s sample`"


def _spread() -> list[Result]:
    simulated = [result for result in STORED.results if result.case.engine == "simulate" and result.case.batches == 1]
    return simulated[:: len(simulated) // RECOMPUTED][:RECOMPUTED]


@pytest.mark.parametrize("stored", _spread(), ids=lambda stored: stored.case.title)
def test_figures_are_those_that_the_code_computes(stored: Result) -> None:
    today = simulate.measure(stored.case, select_gpus(list(stored.fits)))
    assert today.memory == stored.memory, REMEDY
    assert today.params == stored.params, REMEDY
    assert today.fits == stored.fits, REMEDY
    for card, predicted in stored.predicted_time.items():
        assert today.predicted_time[card].get("step_ms") == pytest.approx(predicted.get("step_ms")), REMEDY


def test_the_report_is_what_the_code_writes(tmp_path: Path) -> None:
    for path in SAMPLE.glob("*.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert main(["report", str(SAMPLE / "results.jsonl"), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.md").read_text() == (SAMPLE / "report.md").read_text(), f"{REMEDY} -- report"
    made = {path.name for pattern in ("*.md", "*.html", "*.png") for path in tmp_path.glob(pattern)}
    assert made <= {path.name for path in SAMPLE.iterdir()}, f"{REMEDY} -- report"


def test_nothing_failed_and_every_line_reads() -> None:
    assert STORED.problems == []
    assert {result.status for result in STORED.results} <= {"ok", "oom"}
    assert all("/" not in str(result.environment.get("device")) for result in STORED.results)
