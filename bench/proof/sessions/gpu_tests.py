"""The tests that need a GPU, run by pytest where it is installed."""

import os
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.results.provenance import CHECKOUT
from drystep.measure.impersonal import impersonal

MARK = "pytest.mark.gpu"
LONGEST_REPORT = 2000
"""Characters of a failed test's report that are kept, from its end."""
NO_PYTEST = "pytest is not installed"


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
        import pytest

        outcomes = Outcomes()
        # The checkout's own options need plugins that may not be there.
        options = ["-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "-q", "-m", "gpu"]
        status = pytest.main([*options, f"--rootdir={CHECKOUT}", *map(os.fspath, files)], plugins=[outcomes])
        return {"exit_status": int(status), "counts": dict(outcomes.counts), "failed": outcomes.failed}

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before all have run."""
        return {}


class Outcomes:
    """A plugin of pytest that notes what came out."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a test once: when it was called, or when it was skipped or failed before or after."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
        if report.failed:
            self._fail(report)

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be imported is a failure."""
        if report.failed:
            self.counts["failed"] += 1
            self._fail(report)

    def _fail(self, report: Any) -> None:
        self.failed[report.nodeid] = impersonal(str(report.longrepr)[-LONGEST_REPORT:], {CHECKOUT: ""})


def files_with_gpu_tests(folder: Path) -> list[Path]:
    """Test files in which the mark stands."""
    return [path for path in sorted(folder.rglob("test_*.py")) if MARK in path.read_text(encoding="utf-8")]
