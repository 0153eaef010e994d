"""Files that commands read: result lines, checks, classes of GPUs, baselines, tables of measured runs."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Case, Result
from bench.commands.cli import main as bench
from bench.results.store import append_result, read_results
from drystep.commands.cli import main as drystep
from drystep.errors import OutputError
from drystep.gpus.classes import read_gpus
from drystep.pytest_plugin.baseline import read_baseline
from drystep.validation.ground_truth import SAMPLE
from tests.fuzz.commands import answer, require_refusal, require_words
from tests.fuzz.conftest import SLOW_BUDGET
from tests.fuzz.inputs import changed, texts, values

CASE = Case(task="voc", method="full", backbone="swin_tiny", image_size=(64, 64), batch_size=1, engine="simulate")
MEMORY = {
    "peak_allocated_bytes": 600, "peak_reserved_bytes": 900, "peak_phase": "backward",
    "at_peak": {"parameters": 500, "activations": 100},
}  # fmt: skip
FIT = {"verdict": "fits", "usable_bytes": 1000, "peak_reserved_bytes": 900, "alloc_retries": 0}
TIME = {
    "step_ms": 12.0, "forward_ms": 4.0, "backward_ms": 7.0, "optimizer_ms": 1.0, "launch_bound_ms": 0.5,
    "by_kind_ms": {"linear": 11.5}, "roofline_ms": 6.0, "scaled": False,
}  # fmt: skip
GOOD = Result(
    case=CASE,
    status="ok",
    environment={"python": "3.11", "torch": "2.11.0", "device": "none (simulated)", "kernels": {"attention": "math"}},
    params={"trainable_backbone": 5, "trainable_total": 7, "total": 9},
    memory=MEMORY,
    fits={"p100-16gb": FIT},
    predicted_time={"p100-16gb": TIME},
).to_json()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(line=changed(GOOD))
def test_a_line_is_a_result_or_a_complaint(folder: Path, line: bytes) -> None:
    path = folder / "lines.jsonl"
    path.write_bytes(line + GOOD.encode() + b"\n" + line)
    stored = read_results(path)
    assert GOOD in [result.to_json() for result in stored.results] or len(stored.results) == 1
    for result in stored.results:
        assert Result.from_json(result.to_json()) == result


@given(content=st.binary(max_size=300) | changed(GOOD))
def test_a_file_is_appended_to_or_left(folder: Path, content: bytes) -> None:
    path = folder / "appended.jsonl"
    path.write_bytes(content)
    try:
        append_result(path, Result.from_json(GOOD))
    except OutputError:
        assert path.read_bytes() == content
    else:
        kept = path.read_bytes().removesuffix(GOOD.encode() + b"\n")
        assert content.startswith(kept.removesuffix(b"\n"))
        cut = content[len(kept) :]
        assert not cut or cut.startswith(b'{"schema": '[: len(cut)])


@given(line=changed(GOOD))
def test_compare_never_passes_a_bad_line(folder: Path, line: bytes) -> None:
    good, bad = folder / "good.jsonl", folder / "bad.jsonl"
    good.write_text(GOOD + "\n")
    bad.write_bytes(line)
    answered = answer(bench, ["compare", str(good), str(bad)])
    require_words(answered)
    if answered.status == 0:
        (result,) = read_results(bad).results
        assert result.memory is not None
        assert result.memory["peak_allocated_bytes"] <= 1.01 * MEMORY["peak_allocated_bytes"]
    else:
        assert answered.status in (1, 2)


@settings(max_examples=SLOW_BUDGET)
@given(line=changed(GOOD), check=values)
def test_a_report_of_bad_lines(folder: Path, line: bytes, check: object) -> None:
    stored = folder / "results.jsonl"
    stored.write_bytes(GOOD.encode() + b"\n" + line)
    (folder / "validation.jsonl").write_bytes(line)
    (folder / "validation-steps.jsonl").write_text(repr(check), encoding="utf-8", errors="replace")
    answered = answer(bench, ["report", str(stored), "--out", str(folder)])
    require_words(answered)
    assert answered.status in (0, 1)
    assert (answered.status == 0) == (not read_results(stored).problems)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text and "![x](" not in text


@given(name=texts, table=values, label=texts)
def test_classes_of_gpus_are_read_or_refused(folder: Path, name: str, table: object, label: str) -> None:
    path = folder / "gpus.toml"
    fields = table if isinstance(table, dict) else {"visible_mib": table, "label": label}
    lines = [f"[{json.dumps(name)}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in fields.items())]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    answered = answer(drystep, ["gpus", "--gpu-file", str(path)])
    require_words(answered)
    if answered.status == 0:
        assert all(gpu.usable_bytes > 0 for gpu in read_gpus(path).values())
    else:
        require_refusal(answered)


@given(content=st.binary(max_size=200))
def test_a_file_that_is_no_toml(folder: Path, content: bytes) -> None:
    path = folder / "gpus.toml"
    path.write_bytes(b"[x\n" + content)
    require_refusal(answer(drystep, ["gpus", "--gpu-file", str(path)]))


BASELINE = json.dumps({
    "kind": "drystep memory baseline", "schema": 1,
    "tests": {"test_x": {
        "how": "simulated", "device": "", "torch": "2.11.0", "peak_allocated_bytes": 1, "peak_reserved_bytes": 2,
        "at_peak": {"parameters": 1},
    }},
})  # fmt: skip


@given(content=changed(BASELINE) | st.binary(max_size=100))
def test_a_baseline_is_read_or_refused(folder: Path, content: bytes) -> None:
    path = folder / "memory.json"
    path.write_bytes(content)
    try:
        peaks = read_baseline(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(peak.peak_allocated_bytes, int) for peak in peaks.values())


@given(row=st.integers(0, 3), column=st.integers(0, 12), value=texts)
def test_a_table_of_measured_runs(folder: Path, row: int, column: int, value: str) -> None:
    path = folder / "runs.csv"
    rows = [line.split(",") for line in SAMPLE.read_text().splitlines()[:4]]
    rows[row][column % len(rows[row])] = json.dumps(value)
    path.write_text("\n".join(map(",".join, rows[: row + 1])) + ",,,\n", encoding="utf-8", errors="replace")
    answered = answer(drystep, ["validate", "--xmem", str(path), "--json"])
    require_words(answered)
    assert answered.status in (0, 1, 2)
