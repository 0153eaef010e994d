"""Files of checks: marked lines, whole files, and whatever else lies under their names."""

import json
import os
from pathlib import Path

import pytest

from drystep.commands.validation.choice import Chosen
from drystep.commands.validation.runs import validate_chosen, write_checks, write_step_checks
from drystep.errors import OutputError
from drystep.validation.check import Check
from drystep.validation.check_files import (
    MEMORY_CHECKS,
    REPORT_CHECKS,
    STEP_CHECKS,
    CheckKind,
    read_checks_file,
    require_checks_file,
    write_checks_file,
)
from drystep.validation.field_reports.check import ReportCheck
from drystep.validation.step_check import StepCheck

CHECK = Check("a run", "cnn", "reserved", 110, 105, 100, False, None, 1, 2, 0.5)
OOM = Check("another", "cnn", "reserved", 110, 105, 100, True, True, 1, 2, 0.5)
STEP = StepCheck("a step", "a card", "", 11.0, 4.0, 7.0, 5.0, 10.0)
REPORT = ReportCheck(
    "a figure", "swin", "peak_allocated", "PyTorch 1.8", "fp32", 110, 105, 115, 100, 1, False, "", "", None, 90, None,
    "", 0.5,
)  # fmt: skip
RESULT = '{"schema": 1, "case": {"task": "voc"}}\n'


def test_checks_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "validation.jsonl"
    write_checks(path, [CHECK, OOM])
    first, second = map(json.loads, path.read_text().splitlines())
    assert next(iter(first)) == "kind" and first["kind"] == "drystep memory check"
    assert (first["id"], first["error_percent"], first["right_about_oom"]) == ("a run", pytest.approx(10.0), None)
    assert (second["error_percent"], second["right_about_oom"]) == (None, True)
    assert read_checks_file(path, MEMORY_CHECKS) == ([first, second], [])
    require_checks_file(path, MEMORY_CHECKS)  # they may be replaced


def test_step_checks_come_back(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    write_step_checks(path, [STEP])
    ((line,), problems) = read_checks_file(path, STEP_CHECKS)
    assert (line["kind"], line["card"], problems) == ("drystep step-time check", "a card", [])
    assert (line["error_percent"], line["roofline_error_percent"]) == pytest.approx((10.0, -50.0))


def test_both_kinds_of_memory_stand_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "checks.jsonl"
    write_checks(path, [CHECK], [REPORT])
    checks, problems = read_checks_file(path, MEMORY_CHECKS, REPORT_CHECKS)
    assert [check["kind"] for check in checks] == ["drystep memory check", "drystep report check"]
    assert checks[1]["error_percent"] == pytest.approx(10.0) and checks[1]["within_interval"] is False
    assert (checks[1]["accelerate_error_percent"], problems) == (pytest.approx(-10.0), [])
    require_checks_file(path, MEMORY_CHECKS, REPORT_CHECKS)  # they may be replaced
    assert read_checks_file(path, MEMORY_CHECKS)[1] == [
        f"{path}: 1 of 2 lines are not a drystep memory check and are left out"
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"family": None}, {"judged": 1}, {"rules": ["PyTorch"]}, {"error_percent": "1"}, {"by_trial": None},
        {"least_bytes": float("inf")}, {"accelerate_error_percent": float("nan")}, {"within_rounding": "yes"},
    ],
)  # fmt: skip
def test_a_bad_line_of_a_report_costs_no_good_one(tmp_path: Path, changed: dict[str, object]) -> None:
    path = tmp_path / "checks.jsonl"
    write_checks(path, [], [REPORT])
    good = json.loads(path.read_text())
    path.write_text("".join(json.dumps(line) + "\n" for line in (good | changed, good)))
    checks, problems = read_checks_file(path, REPORT_CHECKS)
    assert checks == [good] and len(problems) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"\x80\x05binary\x00\xff" * 99,
        b"{",
        RESULT.encode(),
        b"[" * 100_000,
        b"\nhello\n",
        b"0" * 9999,
        b'"' * 999,
    ],
)
def test_other_files_are_refused_and_left_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds something else than lines of a drystep memory check: name another"):
        require_checks_file(path, MEMORY_CHECKS)
    checks, problems = read_checks_file(path, MEMORY_CHECKS)
    assert checks == []
    assert len(problems) == 1
    assert path.read_bytes() == content


def test_another_kind_of_checks_is_something_else(tmp_path: Path) -> None:
    write_step_checks(tmp_path / "steps.jsonl", [STEP])
    with pytest.raises(ValueError, match="something else than lines of a drystep memory check"):
        require_checks_file(tmp_path / "steps.jsonl", MEMORY_CHECKS)


@pytest.mark.parametrize("content", [None, b""])
def test_a_new_or_empty_file_may_be_written(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    require_checks_file(path, MEMORY_CHECKS)
    assert read_checks_file(path, MEMORY_CHECKS) == ([], [])
    assert path.exists() == (content is not None)


def _line(**changed: object) -> bytes:
    fields = {"kind": MEMORY_CHECKS.name, "id": "a", "group": "cnn", "quantity": "reserved", "predicted_bytes": 1}
    fields |= {"measured_bytes": 1, "capped_right": 0, "capped_runs": 0, "error_percent": 0.0}
    fields |= {"predicted_oom": False, "measured_oom": None, "right_about_oom": None}
    return json.dumps({**fields, **changed}).encode()


@pytest.mark.parametrize(
    "bad",
    [
        _line()[:40],
        _line(id=3),
        _line(group=["a"]),
        _line(predicted_bytes="1"),
        _line(predicted_bytes=True),
        _line(measured_bytes=None),
        _line(error_percent=float("nan")),
        _line(error_percent=float("inf")),
        _line(capped_runs=10**400),
        _line(predicted_oom="yes"),
        _line(measured_oom=1),
        _line(kind="drystep step-time check"),
        b"[1]",
        b"\xff",
    ],
)
def test_a_bad_line_costs_no_good_one(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(_line() + b"\n" + bad + b"\n" + _line(id="b") + b"\n")
    checks, problems = read_checks_file(path, MEMORY_CHECKS)
    assert [check["id"] for check in checks] == ["a", "b"]
    assert problems == [f"{path}: 1 of 3 lines are not a drystep memory check and are left out"]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(ValueError, match="cannot write checks to .*: it is not a file"):
        require_checks_file(path, MEMORY_CHECKS)
    assert read_checks_file(path, MEMORY_CHECKS) == ([], [f"{path} is not a file and is left out"])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write checks to .*checks.jsonl: "):
        require_checks_file(tmp_path / "file" / "checks.jsonl", MEMORY_CHECKS)


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_checks_file(path, [])
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"^cannot write checks to .*file: No space left on device$"):
        write_checks(path, [CHECK])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [MEMORY_CHECKS, STEP_CHECKS])
def test_other_files_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: CheckKind
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(RESULT)
    for reader in ("read_runs", "read_steps", "read_reports"):
        monkeypatch.setattr(f"drystep.commands.validation.runs.{reader}", lambda table: pytest.fail("it measures"))
    table = tmp_path / "table.csv"
    chosen = Chosen(xmem=table, reports=table) if kind is MEMORY_CHECKS else Chosen(step_times=table)
    with pytest.raises(ValueError, match="results.jsonl holds something else"):
        validate_chosen(chosen, "", False, path, False)
    assert path.read_text() == RESULT
