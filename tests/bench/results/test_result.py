import json
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bench import Case, Result
from bench.results.result import failed_result
from bench.results.store import append_result, read_results
from drystep.measure.failure import Failure

FULL, LORA = Case(task="voc", method="full", engine="simulate"), Case(task="voc", method="lora", engine="simulate")
FIT = {"verdict": "fits", "usable_bytes": 10, "peak_reserved_bytes": 5, "alloc_retries": 0}


def _result(case: Case = FULL, **fields: object) -> Result:
    return Result(case=case, **{"status": "ok", "environment": {"torch": "2.11.0"}, "fits": {"card": FIT}, **fields})


def test_a_line_has_the_fields_of_the_contract() -> None:
    line = json.loads(_result().to_json())
    assert list(line) == [
        "schema", "case", "method", "status",
        "message", "failure", "params", "memory", "time", "fits", "predicted_time",
        "environment", "created_at",
    ]  # fmt: skip
    assert line["schema"] == 1
    assert {
        "task", "backbone", "window", "method", "batch_size", "image_size", "precision", "optimizer", "engine",
        "profile", "gt_boxes", "seed",
    } <= line["case"].keys()  # fmt: skip
    assert line["case"]["image_size"] == [608, 1024]
    assert line["method"].keys() == {"label", "base", "form", "variant"}


def test_lines_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    results = [_result(FULL), _result(LORA, status="oom", message="too much")]
    for result in results:
        append_result(path, result)
    stored = read_results(path)
    assert stored.results == results
    assert stored.problems == []


def test_results_from_before_runs_are_of_one_shape() -> None:
    line = json.loads(_result().to_json())
    assert line["case"].pop("batches") == 1
    assert Result.from_json(json.dumps(line)).case == FULL


def test_a_run_round_trips() -> None:
    worst = {"index": 3, "image_size": [608, 928], "gt_boxes": 7}
    run = _result(replace(FULL, batches=12), memory={"peak_allocated_bytes": 1, "worst_batch": worst})
    assert Result.from_json(run.to_json()) == run


def test_the_latest_result_of_a_case_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for result in (_result(message="old"), _result(LORA), _result(message="new")):
        append_result(path, result)
    assert [(r.case.method, r.message) for r in read_results(path).results] == [("full", "new"), ("lora", "")]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a result"),
        ('{"schema": 99}', "a line of schema 99: this version reads schema 1"),
        ('{"schema": 1}', "case: missing"),
        ('{"schema": 1, "case": {"task": "voc", "method": "gone"}}', "unknown method 'gone'"),
        ("\x00\xff", "not a result"),
    ],
)
def test_bad_lines_are_named_and_good_ones_survive(tmp_path: Path, bad: str, problem: str) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, _result(FULL))
    with path.open("a", encoding="latin-1") as file:
        file.write(bad + "\n\n")
    append_result(path, _result(LORA))
    stored = read_results(path)
    assert [result.case for result in stored.results] == [FULL, LORA]
    (named,) = stored.problems
    assert named.startswith(f"{path}:2: ") and problem in named


def test_an_unfinished_last_line_makes_way(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, _result(FULL))
    with path.open("a") as file:
        file.write(_result(LORA).to_json()[:50])  # what a killed run leaves
    stored = read_results(path)
    assert [result.case for result in stored.results] == [FULL]
    assert stored.problems == []
    append_result(path, _result(LORA))
    assert [result.case for result in read_results(path).results] == [FULL, LORA]
    assert len(path.read_text().splitlines()) == 2


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(_result(FULL).to_json())
    append_result(path, _result(LORA))
    assert [result.case for result in read_results(path).results] == [FULL, LORA]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, _result(FULL))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))  # no room for a whole line
        with pytest.raises(ValueError, match="cannot write results to .*File too large"):
            append_result(path, _result(LORA))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append_result(path, _result(FULL, message=f"{number}" * 5000)), range(40)))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["message"] for line in lines) == sorted(f"{number}" * 5000 for number in range(40))


def test_only_a_gpu_that_runs_out_of_memory_is_a_result() -> None:
    so_far = {"params": {"total": 3}, "memory": {"peak_allocated_bytes": 7}, "environment": {}}
    failure = Failure("out_of_memory", "too much (backward phase)", "backward", so_far, "Traceback ...")
    on_gpu = failed_result(replace(FULL, engine="cuda"), failure, {})
    assert (on_gpu.status, on_gpu.memory, on_gpu.params) == ("oom", so_far["memory"], so_far["params"])
    assert on_gpu.failure == {"kind": "out_of_memory", "phase": "backward", "detail": "Traceback ..."}
    assert failed_result(replace(FULL, engine="cpu"), failure, {}).status == "error"


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read results from .*: No such file"):
        read_results(tmp_path / "missing.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write results to .*file"):
        append_result(tmp_path / "file" / "results.jsonl", _result())
    with pytest.raises(ValueError, match="cannot write results to /dev/full: it is not a file"):
        append_result(Path("/dev/full"), _result())
