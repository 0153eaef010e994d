"""Results in a file."""

import json
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import Case, Result
from bench.results.store import (
    MOST_PROBLEMS,
    Problems,
    ResultsAt,
    append_result,
    each_result,
    read_results,
    require_writable,
)
from drystep.errors import OutputError

FULL, LORA = Case(task="voc", method="full", engine="simulate"), Case(task="voc", method="lora", engine="simulate")
FIT = {"verdict": "fits", "usable_bytes": 10, "peak_reserved_bytes": 5, "alloc_retries": 0}


def _result(case: Case = FULL, **fields: object) -> Result:
    return Result(case=case, **{"status": "ok", "environment": {"torch": "2.11.0"}, "fits": {"card": FIT}, **fields})


def test_lines_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    results = [_result(FULL), _result(LORA, status="oom", message="too much")]
    for result in results:
        append_result(path, result)
    stored = read_results(path)
    assert stored.results == results
    assert stored.problems == []


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
        with pytest.raises(OutputError, match="cannot write a result to .*File too large; the results before"):
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


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read results from .*: No such file"):
        read_results(tmp_path / "missing.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write a result to .*file"):
        append_result(tmp_path / "file" / "results.jsonl", _result())
    with pytest.raises(OutputError, match="cannot write a result to /dev/full: it is not a file"):
        append_result(Path("/dev/full"), _result())


def test_a_foreign_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    content = b"\x08\x00\x00\x00{}\n" * 5000
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors holds something else than results"):
        require_writable(path)
    with pytest.raises(OutputError, match="something else than results"):
        append_result(path, _result())
    assert path.read_bytes() == content


def test_a_binary_file_is_one_complaint(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(range(256)) * 5000)
    stored = read_results(path)
    assert stored.results == []
    assert stored.problems == [f"{path}:1: not a result, and 5000 more lines"]


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"schema": 1}\n' * 1000 + _result().to_json() + "\n")
    stored = read_results(path)
    assert stored.results == [_result(created_at=stored.results[0].created_at)]
    assert len(stored.problems) == MOST_PROBLEMS + 1
    assert stored.problems[-1] == f"{path}: {1000 - MOST_PROBLEMS} more lines are not results"


def test_lines_of_a_newer_version_survive(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    newer = '{"schema": 2, "case": {"net": "swin"}, "energy_j": 7}'
    for end in ("\n", ""):
        path.write_text(newer + end)
        append_result(path, _result())
        assert path.read_text().splitlines()[0] == newer
        (problem,) = read_results(path).problems
        assert problem.startswith(f"{path}:1: a line of schema 2")


def test_results_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = [_result(), _result(LORA), _result(message="new")]
    for result in results:
        append_result(path, result)
    positions = [position for position, _ in each_result(path, Problems(path))]
    at = ResultsAt(path, positions)
    assert (len(at), list(at), list(at[1:])) == (3, results, results[1:])
