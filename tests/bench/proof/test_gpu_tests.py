"""The tests that need a GPU are found by their mark, run by pytest in a process of its own, and told one by one."""

import sys
import textwrap
from pathlib import Path

import pytest

from bench.proof.perform import TESTS_SESSION
from bench.proof.sessions.gpu_tests import NO_PYTEST, TestsSession, files_with_gpu_tests
from bench.results.provenance import CHECKOUT
from drystep.measure.parent import Child

MARK = "pytest.mark." + "gpu"
FILE = f"""
    import pytest

    @{MARK}
    def test_passes():
        pass

    @{MARK}
    def test_fails():
        assert 2 + 2 == 5, "arithmetic"

    @{MARK}
    @pytest.mark.skip
    def test_is_skipped():
        pass

    @pytest.fixture
    def broken():
        raise RuntimeError("no fixture")

    @{MARK}
    def test_breaks(broken):
        pass

    def test_of_no_gpu():
        assert False
"""


def test_outcomes_are_counted_and_failures_told(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(textwrap.dedent(FILE))
    (tmp_path / "test_other.py").write_text("def test_none():\n    assert False\n")
    with Child(TESTS_SESSION, {}, 120, folders=[CHECKOUT]) as child:
        found = child.call("run", folder=str(tmp_path))
    assert found["counts"] == {"passed": 1, "failed": 2, "skipped": 1}
    assert found["exit_status"] == 1
    assert sorted(name.split("::")[1] for name in found["failed"]) == ["test_breaks", "test_fails"]
    assert any("AssertionError: arithmetic" in report for report in found["failed"].values())
    assert not any(str(tmp_path) in report for report in found["failed"].values())


def test_our_own_are_found() -> None:
    files = files_with_gpu_tests(CHECKOUT / "tests")
    assert CHECKOUT / "tests/bench/engines/test_cuda.py" in files
    assert Path(__file__) not in files


def test_without_pytest_or_tests_they_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = TestsSession(lambda phase: None)
    assert session.run(str(tmp_path)) == {"left_out": "no file has tests that need a GPU"}
    monkeypatch.setitem(sys.modules, "pytest", None)
    assert session.run() == {"left_out": NO_PYTEST}


def test_a_file_that_cannot_be_imported_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text(f"import nosuch\n# {MARK}\n")
    with Child(TESTS_SESSION, {}, 120, folders=[CHECKOUT]) as child:
        found = child.call("run", folder=str(tmp_path))
    assert found["counts"] == {"failed": 1}
    assert found["exit_status"] != 0
    assert "No module named 'nosuch'" in next(iter(found["failed"].values()))
