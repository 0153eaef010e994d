import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import Case, Result
from bench.results import append_result, missing_from, read_results

FULL, LORA = Case(task="voc", method="full", engine="simulate"), Case(task="voc", method="lora", engine="simulate")
FIT = {"verdict": "fits", "usable_bytes": 10, "peak_reserved_bytes": 5, "alloc_retries": 0}


def _result(case: Case = FULL, **fields: object) -> Result:
    return Result(case=case, **{"status": "ok", "environment": {"torch": "2.11.0"}, "fits": {"card": FIT}, **fields})


def test_a_line_has_the_fields_of_the_contract() -> None:
    line = json.loads(_result().to_json())
    assert list(line) == [
        "schema", "case", "status", "message", "params", "memory", "time", "fits", "environment", "created_at",
    ]  # fmt: skip
    assert line["schema"] == 1
    assert {
        "task", "backbone", "window", "method", "batch_size", "image_size", "precision", "optimizer", "engine",
        "profile", "gt_boxes", "seed",
    } <= line["case"].keys()  # fmt: skip
    assert line["case"]["image_size"] == [608, 1024]


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
        ("[]", "not a result of schema 1"),
        ('{"schema": 99}', "not a result of schema 1"),
        ('{"schema": 1}', "not a result"),
        ('{"schema": 1, "case": {"task": "voc", "method": "gone"}}', "unknown method 'gone'"),
        ("\x00\xff", "not JSON"),
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


def test_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, _result(FULL))
    append_result(path, _result(LORA, status="error"))
    stored = read_results(path)
    assert missing_from([FULL, LORA], stored, ["card"]) == [LORA]  # failed: to be tried again
    assert missing_from([FULL], stored, ["card", "another"]) == [FULL]  # never judged on that card


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read results from .*: No such file"):
        read_results(tmp_path / "missing.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write results to .*file"):
        append_result(tmp_path / "file" / "results.jsonl", _result())
