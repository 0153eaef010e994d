"""Lines that come from elsewhere: each is a result, or an error in words that names the field."""

import json
from dataclasses import asdict, replace
from pathlib import Path as FilePath
from typing import Any

import pytest

from bench import Case, Result
from bench.engines import simulate
from bench.engines.timing.timings import Timings, relative_to
from bench.results.result import NewerSchemaError, result_among
from bench.results.wanted import WantedCases
from drystep.gpus.classes import select_gpus
from drystep.measure.counters import Events, Peaks
from drystep.memory.choices import Fit
from tests.bench.results.full_line import FULLEST, LINE, SAMPLES, Path, line_with, read

SAMPLE_LINES = FilePath(__file__).parents[3] / "docs" / "sample-report" / "results.jsonl"


def test_what_any_engine_may_write_comes_back() -> None:
    assert Result.from_json(LINE) == Result.from_json(LINE.encode()) == Result.from_json(f"  {LINE}\n") == FULLEST
    case = FULLEST.case
    assert result_among(LINE, WantedCases([case])) == FULLEST
    assert result_among(LINE, WantedCases([])) is None
    assert result_among(LINE, WantedCases([replace(case, engine="simulate")])) is None
    compact = json.dumps(json.loads(LINE), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    assert Result.from_json(compact) == result_among(compact, WantedCases([case])) == FULLEST


@pytest.mark.parametrize(
    "holder", [(), ("memory",), ("time", "step_ms"), ("fits", "large"), ("failure",), ("params",), ("cost",)]
)
def test_fields_of_later_versions_are_kept_out(holder: Path) -> None:
    assert read(line_with((*holder, "later"), {"a": [1]})) == FULLEST


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("memory", "peak_allocated_bytes"), "many", "must be a whole number of bytes, got 'many'"),
        (("memory", "peak_allocated_bytes"), 1.5, "must be a whole number of bytes, got 1.5"),
        (("memory", "peak_allocated_bytes"), True, "must be a whole number of bytes, got true"),
        (("memory", "peak_allocated_bytes"), None, "must be a whole number of bytes, got null"),
        (("memory", "peak_allocated_bytes"), -1, "must be a whole number of bytes, at least 0, got -1"),
        (("memory", "peak_allocated_bytes"), 2**60 + 1, "bytes, at most 1152921504606846976, got 1152921504606846977"),
        (("memory", "peak_allocated_bytes"), float("nan"), "must be a finite number, got NaN"),
        (("memory", "peak_allocated_bytes"), float("-inf"), "must be a finite number, got -Infinity"),
        (("memory",), [1], "must be an object or null, got a list"),
        (("memory", "at_peak", "other"), "x", "must be a whole number, got 'x'"),
        (("memory", "phase_peaks", "backward"), -2, "must be a whole number, at least 0, got -2"),
        (("memory", "nvml", "process_bytes"), "0", "must be a whole number of bytes or null, got '0'"),
        (("memory", "worst_batch", "image_size"), [1], "must be a list, at least 2 long, got a list"),
        (("memory", "first_step"), 3, "must be an object, got 3"),
        (("params", "total"), 1e3, "must be a whole number, got 1000.0"),
        (("cost", "saved_bytes"), 0.5, "must be a whole number of bytes, got 0.5"),
        (("cost", "forward_flops"), -1, "must be a number, at least 0, got -1"),
        (("cost", "backward_flops"), "1", "must be a number, got '1'"),
        (("time", "step_ms", "median"), -0.5, "must be a number, at least 0, got -0.5"),
        (("time", "step_ms", "samples[1]"), "2", "must be a number or null, got '2'"),
        (("time", "step_ms", "samples[2]"), float("nan"), "must be a finite number, got NaN"),
        (("time", "phases_ms", "backward", "p90"), [], "must be a number or null, got a list"),
        (("time", "forward_ms"), float("inf"), "must be a finite number, got Infinity"),
        (("time", "relative_to", "ratio", "median"), {}, "must be a number or null, got an object"),
        (
            ("fits", "large", "verdict"),
            "[bold]z[/nope]",
            "must be one of fits, fits_with_retries, oom, depends, got '[bold]z",
        ),
        (("fits", "large"), "yes", "must be an object, got 'yes'"),
        (("fits",), None, "must be an object, got null"),
        (("predicted_time", "large", "by_kind_ms", "linear"), "fast", "must be a number or null, got 'fast'"),
        (("predicted_time", "large", "scaled"), 1, "must be true or false, got 1"),
        (("status",), "fine", "must be one of ok, oom, error, got 'fine'"),
        (("status",), 0, "must be text, got 0"),
        (("message",), ["x" * 1000], "must be text, got a list"),
        (("failure", "phase"), 7, "must be text, got 7"),
        (("method", "label"), 7, "must be text, got 7"),
        (("environment",), "here", "must be an object, got 'here'"),
        (("environment", "x[0][0][0][0][0][0][0]"), [], "must be at most 8 levels deep, and holds a list there"),
        (("created_at",), "yesterday", "must be an ISO time, such as 2026-01-31T12:00:00+00:00, got 'yesterday'"),
        (("created_at",), 20260131, "must be text, got 20260131"),
        (("case", "window"), "7", "must be a whole number, got '7'"),
        (("case", "image_size[1]"), None, "must be a whole number, got null"),
        (("case", "checkpointing"), 1, "must be true or false, got 1"),
        (("case", "engine"), "auto", "must be what measured, one of simulate, cpu, cuda"),
        (("case", "warmth"), "cold", "this version of drystep knows no such setting of a case"),
        (("case",), 3, "must be an object, got 3"),
    ],
)
def test_a_bad_field_is_named(path: tuple[str, ...], value: object, words: str) -> None:
    steps = [step for name in path for step in name.replace("]", "").split("[")]
    if steps[:2] == ["environment", "x"]:
        line = line_with(("environment", "x"), [[[[[[[[]]]]]]]])
    else:
        line = line_with(tuple(int(step) if step.isdigit() else step for step in steps), value)
    said = read(line)
    assert isinstance(said, str) and said.startswith(f"{'.'.join(path)}: ") and words in said


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"window": 8}, "case: unknown window 8: choose from 7, 12"),
        ({"method": "gone"}, "case: unknown method 'gone': choose from full"),
        ({"batch_size": 10**9}, "case: batch size must be between 1 and 4096, got 1000000000"),
    ],
)
def test_a_case_that_cannot_be_is_named(fields: dict[str, Any], words: str) -> None:
    said = read(line_with(("case",), {**FULLEST.case.as_dict(), **fields}))
    assert isinstance(said, str) and words in said


@pytest.mark.parametrize("name", ["case", "status", "environment", "created_at"])
def test_a_part_that_is_missing_is_named(name: str) -> None:
    line = json.loads(LINE)
    del line[name]
    assert read(json.dumps(line)) == f"{name}: missing, and every result has it"


@pytest.mark.parametrize(
    "name", ["message", "failure", "params", "cost", "memory", "time", "fits", "predicted_time", "method"]
)
def test_a_result_may_lack_figures(name: str) -> None:
    line = json.loads(LINE)
    del line[name]
    assert isinstance(read(json.dumps(line)), Result)


@pytest.mark.parametrize(
    ("of", "new", "said"),
    [
        ('"status": "oom"', '"status": "oom", "status": "ok"', "status: is there twice"),
        ('"status": "oom"', '"status": "oom", "st\\u0061tus": "ok"', "status: is there twice"),
        ('"schema": 1', '"schema": 1, "schema": 1', "schema: is there twice"),
        ('"seed": 0', '"seed": 0, "seed": 1', "case.seed: is there twice"),
        ('"index": 3', '"index": 1e999', "memory.worst_batch.index: must be a finite number of"),
        ('"index": 3', f'"index": {"9" * 5000}', f"finite number of ordinary size, got {'9' * 40}..."),
        ('"index": 3', f'"index": {"9" * 10**6}', "memory.worst_batch.index: must be a finite number"),
        ('"index": 3', f'"index": 3.{"9" * 10**6}', "memory.worst_batch.index: must be a whole number"),
        ('"index": 3', f'"index": {"[" * 10**5}', "memory: its objects and lists are nested too deeply"),
        ('"index": 3', '"a": ' + '{"b": ' * 10**5, "memory: its objects and lists are nested too deeply"),
        ('"index": 3', '"index": nan', "memory.worst_batch.index: JSON is malformed"),
        ('"driver": null', '"driver": [[[[[[[[[[0]]]]]]]]]]', "environment.driver[0][0][0][0][0][0][0]: must be"),
        ('"driver": null', '"driver": -1e999', "environment.driver: must be a finite number"),
        ('"driver": null', '"driver": "\\ud800"', "environment.driver: JSON is malformed"),
        ('"schema": 1', '"schema": 0', "not a result of schema 1"),
        ('"schema": 1', '"schema": true', "not a result of schema 1"),
        ('"schema": 1, ', "", "not a result of schema 1"),
    ],
)  # fmt: skip
def test_what_no_writer_of_ours_writes(of: str, new: str, said: str) -> None:
    assert LINE.count(of) == 1
    found = read(LINE.replace(of, new))
    assert isinstance(found, str) and said in found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "not JSON: "),
        (b"\x00\xff", "not JSON: "),
        ("\ud800", "not JSON: is not UTF-8 text"),
        ('{"a":' * 10**5, "a: its objects and lists are nested too deeply"),
        (b"[1]", "not a result: a line must be a JSON object"),
        (b"null", "not a result: a line must be a JSON object"),
        (b"{}", "not a result of schema 1"),
        (LINE.encode() + b"x", "not JSON: "),
        (LINE.encode().replace(b"too much", b"too m\xfcch"), "message: is not UTF-8 text"),
    ],
    ids=range(9),
)
def test_what_is_no_line_at_all(line: str | bytes, said: str) -> None:
    found = read(line)
    assert isinstance(found, str) and found.startswith(said)


@pytest.mark.parametrize("schema", [2, 99, 10**25])
def test_a_line_of_a_later_schema_is_no_mistake(schema: int) -> None:
    for line in (line_with(("schema",), schema), json.dumps({"schema": schema, "case": "of another form"})):
        for reader in (Result.from_json, lambda line: result_among(line, WantedCases([]))):
            with pytest.raises(
                NewerSchemaError, match=f"a line of schema {schema}: this version reads schema 1; a newer"
            ):
                reader(line)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_not_finite_becomes_null(figure: float) -> None:
    time = {"step_ms": {**SAMPLES, "median": figure, "samples": [1.0, figure]}}
    line = replace(FULLEST, message="", time=time, environment={"deep": [{"er": figure}]}).to_json()
    read = Result.from_json(line)
    assert "NaN" not in line and "Infinity" not in line
    assert read.time == {"step_ms": {**SAMPLES, "median": None, "samples": [1.0, None]}}
    assert read.environment == {"deep": [{"er": None}]}


def test_names_of_files_that_are_no_text_are_written_as_text() -> None:
    odd = replace(FULLEST, message="caf\udce9 \U0001f600", environment={"\ud83d": ("\udcff",)})
    read = Result.from_json(odd.to_json())
    assert (read.message, read.environment) == ("caf? \U0001f600", {"?": ["?"]})


def test_what_engines_write_is_known() -> None:
    """A field that an engine writes and the schema lacks would be lost when its line is read."""
    simulated = simulate.measure(
        Case(task="voc", method="fixed", backbone="swin_tiny", image_size=(32, 32), batches=2, engine="simulate"),
        select_gpus(["p100-16gb"]),
    )
    timings = Timings({"forward": [1.0], "backward": [2.0], "optimizer": [3.0]}, [0.5])
    time = {**timings.as_fields(), "relative_to": relative_to("full", timings, timings)}
    measured = {**asdict(Peaks(1, 2, 3)), **asdict(Events(4, 5)), "first_step": asdict(Peaks(1, 2, 3))}
    memory = {**(simulated.memory or {}), **measured, "nvml": {"process_bytes": 1, "device_bytes": None}}
    fit = asdict(Fit("oom", 1, 2, 3))
    whole = replace(simulated, time=time, memory=memory, fits={**simulated.fits, "other": fit})
    assert "worst_batch" in memory and simulated.predicted_time["p100-16gb"]["by_kind_ms"]
    assert Result.from_json(whole.to_json()) == whole


def test_lines_of_the_sample_report_are_still_read() -> None:
    lines = SAMPLE_LINES.read_bytes().splitlines()
    assert lines and all(isinstance(read(line), Result) for line in lines)
