"""`python -m bench report` on files that somebody else made, and on places that cannot be written."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench import Case, Result
from bench.commands.cli import main
from drystep.commands.validation.runs import write_checks
from drystep.validation.check import Check
from tests.reports.hostile import HOSTILE, is_plain, tokens

CASE = Case(task="coco", method="full", backbone="swin_large", batch_size=1, engine="simulate")
GIB = 1 << 30
MEMORY = {"peak_allocated_bytes": 9 * GIB, "peak_reserved_bytes": 10 * GIB, "at_peak": {"activations": 9 * GIB}}
KERNELS = {
    "matmul_tf32": False, "attention": "explicit", "allocator": {"PYTORCH_CUDA_ALLOC_CONF": ""}, "libraries": {},
}  # fmt: skip
STEP_MS = {"median": 100.0, "p10": 99.0, "p90": 101.0, "samples": [99.0, 100.0, 101.0]}
CHECK = Check("a run", "cnn", "reserved", 110, 105, 100, False, None, 1, 2, 0.5)


def _result(case: Case = CASE, **fields: Any) -> Result:
    fits = {
        "v100-32gb": {"verdict": "fits", "usable_bytes": 30 * GIB, "peak_reserved_bytes": 10 * GIB, "alloc_retries": 0}
    }
    known = {"environment": {"torch": "2.11.0", "device": "a CPU"}, "memory": MEMORY, "fits": fits}
    return Result(case=case, **{"status": "ok", "params": {"trainable_backbone": 5}, **known, **fields})


def _stored(folder: Path, *results: Result) -> Path:
    path = folder / "stored.jsonl"
    path.write_text("".join(result.to_json() + "\n" for result in results))
    return path


def _report(stored: Path, out: Path) -> int:
    return main(["report", str(stored), "--out", str(out)])


def test_results_of_a_gpu(tmp_path: Path, capsys) -> None:
    environment = {"torch": "2.11.0", "device": "NVIDIA H100 80GB HBM3", "kernels": KERNELS, "in_use": None}
    measured = _result(replace(CASE, engine="cuda"), environment=environment, time={"step_ms": STEP_MS})
    assert _report(_stored(tmp_path, _result(), measured), tmp_path / "out") == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "- cuda (1 cases): device NVIDIA H100 80GB HBM3, kernels (allocator: (PYTORCH_CUDA_ALLOC_CONF: )," in text
    assert "- simulate (1 cases): device a CPU, torch 2.11.0" in text


@pytest.mark.parametrize(
    "fields",
    [
        {"time": None, "memory": None, "params": None, "fits": {}},
        {"memory": {"peak_allocated_bytes": 1}},
        {"memory": {"peak_reserved_bytes": 1, "at_peak": None}},
        {"memory": {}, "params": {}, "environment": {}},
        {"status": "oom", "memory": None, "fits": {}},
    ],
)
def test_results_that_lack_parts(tmp_path: Path, fields: dict[str, Any], capsys) -> None:
    stored = _stored(tmp_path, _result(**fields), _result(replace(CASE, method="fixed")))
    assert _report(stored, tmp_path / "out") == 0
    assert "## Where the figures come from" in (tmp_path / "out" / "report.md").read_text()


def test_hostile_text(tmp_path: Path, capsys) -> None:
    cases = [replace(CASE, seed=seed) for seed in range(len(HOSTILE))]
    results = [
        _result(case, environment={"torch": "2.11.0", "device": text, "more": [text]}, message=text, status="error")
        if case.seed % 2
        else _result(case, environment={"torch": text, "device": {"name": text}}, message=text)
        for case, text in zip(cases, HOSTILE, strict=True)
    ]
    assert _report(_stored(tmp_path, *results), tmp_path / "out") == 1  # some cases failed
    captured = capsys.readouterr()
    text = (tmp_path / "out" / "report.md").read_text()
    for shown in (text, captured.out, captured.err):
        assert is_plain(shown)
    found = tokens(text)
    assert not {token.type for token in found} & {"html_block", "html_inline", "link_open", "code_block", "fence", "hr"}
    assert {token.attrs["src"] for token in found if token.type == "image"} <= {p.name for p in tmp_path.glob("out/*")}
    headings = {after.content for token, after in pairwise(found) if token.type == "heading_open"}
    assert not {"heading", "second"} & headings


def test_the_report_appears_whole(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full at the last file leaves the report that was there."""
    out = tmp_path / "out"
    assert _report(_stored(tmp_path, _result()), out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "report.md" in before and "trainability.png" in before
    capsys.readouterr()
    write_text = Path.write_text

    def full(path: Path, *arguments: Any, **options: Any) -> int:
        if path.name == "report.md":
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert _report(_stored(tmp_path, _result(), _result(replace(CASE, method="fixed"))), out) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1] == f"error: cannot write the report to {out}: No space left on device"
    )
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    stored = _stored(tmp_path, _result())
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nosuch")):
        assert _report(stored, out) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: cannot write the report to {out}: ")


@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"\x80\x00\xff" * 50, b'{"kind": "drystep memory check", "id": "a', b"[" * 99_999, b"null\n"],
)
@pytest.mark.parametrize("name", ["validation.jsonl", "validation-steps.jsonl"])
def test_files_of_checks_that_are_none(tmp_path: Path, capsys, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert _report(_stored(tmp_path, _result()), tmp_path) == 0
    assert f"{tmp_path / name}: 1 of 1 lines are not a drystep" in capsys.readouterr().err
    assert "How far to trust" not in (tmp_path / "report.md").read_text()
    assert (tmp_path / name).read_bytes() == content


def test_checks_beside_half_a_check(tmp_path: Path, capsys) -> None:
    path = tmp_path / "validation.jsonl"
    write_checks(path, [CHECK, CHECK])
    path.write_bytes(path.read_bytes()[:-20])
    assert _report(_stored(tmp_path, _result()), tmp_path) == 0
    assert (
        "1 of 2 lines are not a drystep memory check or drystep report check and are left out"
        in capsys.readouterr().err
    )
    assert "cnn 10.00 % (1 runs)" in (tmp_path / "report.md").read_text()


def test_tables_refuses_foreign_checks_before_it_measures(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("bench.commands.measuring.Grid.measure", lambda grid, missing: pytest.fail("it measures"))
    path = tmp_path / "validation.jsonl"
    path.write_text("mine\n")
    assert main(["tables", "--out", str(tmp_path)]) == 2
    assert "validation.jsonl holds something else than lines of a drystep memory check" in capsys.readouterr().err
    assert path.read_text() == "mine\n"


def test_a_report_behind_links(tmp_path: Path, capsys) -> None:
    """A link in the folder stays, and what it names changes; nothing else outside the folder does."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "report.md").symlink_to(elsewhere / "report.md")
    assert _report(_stored(tmp_path, _result()), out) == 0
    assert (out / "report.md").is_symlink()
    assert [path.name for path in elsewhere.iterdir()] == ["report.md"]
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    assert json.loads((tmp_path / "stored.jsonl").read_text())["status"] == "ok"


def _evaluated(folder: Path, **fields: Any) -> None:
    known = {
        "task": "coco", "method": "full", "backbone": "swin_base", "seed": 0, "made_up": False, "recipe": {},
        "steps": 9, "of_steps": 9, "images": {"train": 9, "val": 7}, "metrics": {"bbox_AP": 0.5123, "segm_AP": 0.4},
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "accuracy.json").write_text(json.dumps({**known, **fields}))


def test_accuracies_of_runs_are_kept_for_the_next_report(tmp_path: Path, capsys) -> None:
    stored, out = _stored(tmp_path, _result(replace(CASE, backbone="swin_base", batch_size=2))), tmp_path / "out"
    _evaluated(tmp_path / "runs" / "full")
    _evaluated(tmp_path / "runs" / "half", seed="none")
    assert main(["report", str(stored), "--out", str(out), "--runs", str(tmp_path / "runs")]) == 0
    assert f"{tmp_path / 'runs' / 'half' / 'accuracy.json'} is not an evaluation" in " ".join(
        capsys.readouterr().err.split()
    )
    text = (out / "report.md").read_text()
    assert "51.2 (1)" in text and "## Our trainings on real data" in text
    assert "Our trainings on real data" in (out / "report.html").read_text()
    assert _report(stored, out) == 0
    assert (out / "report.md").read_text() == text
    with (out / "accuracy.jsonl").open("a") as file:
        file.write('{"kind": "bench eval')
    assert _report(stored, out) == 0
    assert "accuracy.jsonl: 1 of 2 lines are not a bench evaluation and are left out" in capsys.readouterr().err
    assert (out / "report.md").read_text() == text


@pytest.mark.parametrize("command", [["report"], ["tables"]])
def test_runs_that_are_not_there_are_refused_first(tmp_path: Path, capsys, monkeypatch, command: list[str]) -> None:
    monkeypatch.setattr("bench.commands.measuring.Grid.measure", lambda grid, missing: pytest.fail("it measures"))
    files = [str(_stored(tmp_path, _result()))] if command == ["report"] else []
    for runs, said in ((tmp_path / "nosuch", "is not a folder"), (tmp_path, "has an evaluation")):
        assert main([*command, *files, "--out", str(tmp_path / "out"), "--runs", str(runs)]) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "report.md").exists()
