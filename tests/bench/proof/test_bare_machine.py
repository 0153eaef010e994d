"""A machine that has nothing but PyTorch, timm and numpy measures all, and stops cleanly when it is told to."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.results.provenance import CHECKOUT
from bench.results.store import read_results
from tests.bench.proof.missing_packages import MISSING
from tests.bench.tiny_grid import heed_interrupts

COMMAND = [sys.executable, "-m", "tests.bench.proof.bare_machine"]
GONE_S = 3.0


@pytest.mark.nightly
def test_nothing_else_is_needed(tmp_path: Path) -> None:
    finished = subprocess.run([*COMMAND, tmp_path], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    folder = tmp_path / "fake-80gb"
    assert finished.stdout == f"5 items are done, 0 failed, 0 were not reached; the results are in {folder}\n"
    assert len(read_results(folder / "results.jsonl").results) == 2
    summary = (folder / "summary.md").read_text()
    assert "- tests: left out pytest is not installed" in summary
    assert summary.endswith("- 0 items were not reached\n")


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    started = subprocess.Popen(
        [*COMMAND, tmp_path, "hang"],
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    try:
        assert started.stdout.readline() == "hanging\n"
        started.send_signal(number)
        start = time.monotonic()
        _, said = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 128 + number, said
    assert time.monotonic() - start < GONE_S
    assert "Traceback" not in said
    folder = tmp_path / "fake-80gb"
    assert [result.case.engine for result in read_results(folder / "results.jsonl").results][:1] == ["cuda"]
    summary = (folder / "summary.md").read_text()
    assert f"- the run was stopped by {number.name}" in summary
    assert "- 4 items were not reached" in summary
    assert not list(folder.glob(".*"))


def test_what_is_missing_there_is_here() -> None:
    """Else the test would prove nothing: at least what the other commands need is installed here."""
    for name in ("typer", "rich", "pandas", "msgspec", "pytest", "psutil"):
        assert name in MISSING
        __import__(name)
