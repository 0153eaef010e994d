"""The tests that need a GPU, run by pytest where it is installed."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.results.provenance import CHECKOUT
from drystep.measure.impersonal import impersonal

MARK = "pytest.mark.gpu"
LONGEST_REPORT = 2000
"""Characters of a failed test's report that are kept, from its end."""
NO_PYTEST = "pytest is not installed"
FAILED = ("failure", "error")
"""What a JUnit report calls a test that failed, and one that broke before or after it ran."""


class TestsSession:
    """Collects the files that have such tests, and runs them."""

    __test__ = False
    """pytest is not to take this for a test."""

    def __init__(self, note_phase: Callable[[str], None]) -> None:
        note_phase("tests")

    def run(self, folder: str = os.fspath(CHECKOUT / "tests")) -> dict[str, Any]:
        """Counts by outcome, and the reports of tests that failed; only a reason where none can run."""
        if find_spec("pytest") is None:
            return {"left_out": NO_PYTEST}
        files = files_with_gpu_tests(Path(folder))
        if not files:
            return {"left_out": "no file has tests that need a GPU"}
        with tempfile.TemporaryDirectory() as reports:
            report = Path(reports) / "report.xml"
            status = _run_pytest(files, report)
            return {"exit_status": status, **(read_report(report) if report.exists() else {"counts": {}, "failed": {}})}

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before all have run."""
        return {}


def files_with_gpu_tests(folder: Path) -> list[Path]:
    """Test files in which the mark stands."""
    return [path for path in sorted(folder.rglob("test_*.py")) if MARK in path.read_text(encoding="utf-8")]


def read_report(path: Path) -> dict[str, Any]:
    """How many tests passed, failed and were skipped, and the end of the report of each that failed."""
    counts: Counter[str] = Counter()
    failed: dict[str, str] = {}
    for test in ElementTree.parse(path).iter("testcase"):
        found = next((test.find(name) for name in FAILED if test.find(name) is not None), None)
        if found is not None:
            text = found.text or found.get("message") or ""
            failed[f"{test.get('classname')}::{test.get('name')}"] = impersonal(text[-LONGEST_REPORT:], {CHECKOUT: ""})
        outcome = "failed" if found is not None else "skipped" if test.find("skipped") is not None else "passed"
        counts[outcome] += 1
    return {"counts": dict(counts), "failed": failed}


def _run_pytest(files: list[Path], report: Path) -> int:
    """Run the tests in a process of their own, and return its exit status."""
    # The checkout's own options need plugins that may not be there.
    options = ["-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "-q", "-m", "gpu"]
    places = [f"--rootdir={CHECKOUT}", f"--config-file={CHECKOUT / 'pyproject.toml'}", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *options, *places, *map(os.fspath, files)]
    return subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode
