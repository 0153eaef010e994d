"""The command line as a user types it: in this process, with small cases."""

import json
from pathlib import Path

import pytest

from bench import Case
from bench.commands.cli import main
from bench.launchers.run import run
from bench.results.store import read_results
from drystep.gpus.classes import select_gpus

SMALL = ["--backbone", "swin_tiny", "--image-size", "64x64", "--batch-size", "1"]


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_is_all_there_is_on_stdout(capsys) -> None:
    assert main(["run", "--task", "voc", "--method", "e3va", "--method", "full", *SMALL, "--json"]) == 0
    lines = _lines(capsys)
    assert [line["case"]["method"] for line in lines] == ["e3va", "full"]
    for line in lines:
        assert line["status"] == "ok"
        assert line["case"]["engine"] == "simulate"
        assert line["memory"]["peak_allocated_bytes"] == sum(line["memory"]["at_peak"].values())
        assert line["memory"]["peak_reserved_bytes"] >= line["memory"]["peak_allocated_bytes"]
        assert line["fits"].keys() == {"gtx-1080ti-11gb", "p100-16gb", "rtx-3090-24gb", "v100-32gb"}
        assert line["time"] is None


def test_all_combinations_are_measured(capsys) -> None:
    arguments = ["run", "--task", "voc", "--task", "ade20k", "--method", "fixed", "--window", "7", "--window", "12"]
    assert main([*arguments, "--backbone", "swin_tiny", "--image-size", "64x96", "--batch-size", "1", "--json"]) == 0
    cases = [line["case"] for line in _lines(capsys)]
    assert [(case["task"], case["window"]) for case in cases] == [
        ("voc", 7), ("voc", 12), ("ade20k", 7), ("ade20k", 12),
    ]  # fmt: skip
    assert all(case["image_size"] == [64, 96] for case in cases)


def test_a_run_of_batches_beside_the_single_shape(tmp_path: Path, capsys) -> None:
    small = ["--backbone", "swin_tiny", "--image-size", "64x96", "--batch-size", "1"]
    case = ["run", "--task", "voc", "--method", "fixed", *small, "--json", "--batches", "3"]
    arguments = [*case, "--batches", "1", "--out", str(tmp_path / "results.jsonl")]
    assert main(arguments) == 0
    lines = _lines(capsys)
    assert [line["case"]["batches"] for line in lines] == [3, 1]
    assert [line["memory"].keys() >= {"worst_batch"} for line in lines] == [True, False]
    assert lines[0]["memory"]["worst_batch"]["index"] in range(3)
    assert main(arguments) == 0
    assert _lines(capsys) == lines  # both were stored


def test_without_json_a_table(capsys) -> None:
    assert main(["run", "--task", "voc", "--method", "fixed", *SMALL, "--gpu", "p100-16gb"]) == 0
    out = capsys.readouterr().out
    assert "voc swin_tiny fixed 1x64x64 simulate" in out
    assert "p100-16gb" in out and "v100-32gb" not in out


def test_cpu_engine_times_steps(capsys) -> None:
    assert main(["run", "--task", "voc", "--method", "fixed", *SMALL, "--engine", "cpu", "--steps", "2", "--json"]) == 0
    (line,) = _lines(capsys)
    assert len(line["time"]["step_ms"]["samples"]) == 2
    assert line["time"]["step_ms"]["p10"] <= line["time"]["step_ms"]["median"] <= line["time"]["step_ms"]["p90"]
    assert line["time"]["forward_ms"] > 0


def test_a_stored_case_is_not_measured_again_unless_asked(tmp_path: Path, capsys) -> None:
    out = tmp_path / "results.jsonl"
    arguments = ["run", "--task", "voc", "--method", "fixed", *SMALL, "--out", str(out), "--json"]
    assert main(arguments) == 0
    first = _lines(capsys)
    assert main(arguments) == 0
    assert _lines(capsys) == first
    assert len(out.read_text().splitlines()) == 1
    assert main([*arguments, "--method", "full"]) == 0
    assert len(out.read_text().splitlines()) == 2
    assert main([*arguments, "--rerun"]) == 0
    assert len(out.read_text().splitlines()) == 3


def test_a_report_names_results_of_other_code(tmp_path: Path, capsys) -> None:
    stored = tmp_path / "results.jsonl"
    assert main(["run", "--task", "voc", "--method", "fixed", *SMALL, "--out", str(stored)]) == 0
    report = ["report", str(stored), "--out", str(tmp_path)]
    capsys.readouterr()
    assert main(report) == 0
    assert "stale" not in capsys.readouterr().err
    line = json.loads(stored.read_text())
    line["environment"]["code_hash"] = "another"
    stored.write_text(json.dumps(line) + "\n")
    assert main(report) == 0
    assert "1 stale: measured with other code; `run` or `tables` would measure them again" in capsys.readouterr().err


def test_a_corrupt_results_file_costs_no_good_line(tmp_path: Path, capsys) -> None:
    out = tmp_path / "results.jsonl"
    arguments = ["run", "--task", "voc", "--method", "fixed", *SMALL, "--out", str(out), "--json"]
    main(arguments)
    first = _lines(capsys)
    out.write_text("what is this?\n" + out.read_text())
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert f"{out}:1: not a result" in captured.err.replace("\n", "")
    assert [json.loads(line) for line in captured.out.splitlines()] == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "name what to train with --task: voc, ade20k, coco"),
        (["run", "--task", "kitti"], "unknown task 'kitti': choose from voc, ade20k, coco"),
        (["run", "--task", "voc", "--method", "vpt"], "unknown method 'vpt': choose from full, fixed"),
        (["run", "--task", "voc", "--backbone", "vit"], "unknown backbone 'vit': choose from swin_nano"),
        (["run", "--task", "voc", "--window", "9"], "unknown window 9: choose from 7, 12"),
        (["run", "--task", "voc", "--engine", "abacus"], "unknown engine 'abacus': choose from auto, simulate"),
        (["run", "--task", "voc", "--gpu", "voodoo"], "unknown GPU 'voodoo': `drystep gpus` lists all"),
        (["run", "--task", "voc", "--profile", "x"], "unknown profile 'x': choose from torch-2.11"),
        (["run", "--task", "voc", "--precision", "x"], "unknown precision 'x': choose from fp32"),
        (["run", "--task", "voc", "--image-size", "big"], "image size 'big' is not HxW, such as 800x1344"),
        (["run", "--task", "voc", "--image-size", "70x64"], "image side 70 does not divide by the patch size 4"),
        (["run", "--task", "voc", "--batch-size", "0"], "batch size must be between 1 and 4096, got 0"),
        (["run", "--task", "voc", "--batch-size", "1000000000"], "between 1 and 4096, got 1000000000"),
        (["run", "--task", "voc", "--batch-size", "9" * 5000], "Invalid value for '--batch-size'"),
        (["run", "--task", "voc", "--image-size", "9" * 5000 + "x64"], "is not HxW, such as 800x1344"),
        (["run", "--task", "voc", "--time-limit", "inf"], "at most 2678400 seconds (31 days), got inf"),
        (["run", "--task", "voc", "--batch-size", "x"], "Invalid value for '--batch-size'"),
        (["run", "--task", "voc", "--batches", "0"], "batches must be between 1 and 100000, got 0"),
        (["run", "--task", "voc", "--batches", "3", "--gt-boxes", "5"], "leave gt boxes out, or batches at 1"),
        (["run", "--task", "voc", "--steps", "0"], "steps must be between 1 and 100000, got 0"),
        (["run", "--task", "voc", "--engine", "cuda"], "no CUDA device: choose --engine simulate"),
        (["run", "--task", "voc", "--launcher", "slurm"], "unknown launcher 'slurm': choose from local, ray"),
        (["run", "--task", "voc", "--ray-address", "a:1"], "--ray-address joins a Ray cluster: add --launcher ray"),
        (["run", "--task", "voc", "--out", "/proc/version/x.jsonl"], "cannot write results to /proc/version/x.jsonl"),
        (["run", "--task", "voc", "--gpu-file", "nowhere.toml"], "cannot read GPU classes from nowhere.toml"),
        (["run", "--speed", "11"], "No such option: --speed"),
        (["tables", "--table", "9"], "unknown table 9: choose from 1, 2, 3, 4"),
        (["fit", "--gpu", "voodoo"], "unknown GPU 'voodoo'"),
        (["fit"], "name one card with --gpu: gtx-1080ti-11gb"),
        (["compare", "a.jsonl", "b.jsonl"], "cannot read results from a.jsonl"),
        (["compare", "pyproject.toml", "b.jsonl"], "pyproject.toml holds no results: name a file that `run --out`"),
        (["compare", "/dev/null", "b.jsonl"], "/dev/null holds no results"),
        (["compare", "a", "b", "--tolerance", "step"], "tolerance 'step' is not METRIC=PERCENT, such as allocated=1%"),
        (["compare", "a", "b", "--tolerance", "speed=1%"], "unknown metric 'speed': choose from trained, allocated"),
        (["compare", "a", "b", "--tolerance", "step=fast"], "tolerance 'fast' is not a percentage, such as 1%"),
        (["compare", "a", "b", "--json", "--markdown"], "choose one of --markdown and --json"),
        (["report", "missing.jsonl"], "cannot read results from missing.jsonl"),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_wrong_commands_get_one_clear_line_and_status_2(
    arguments: list[str], message: str, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert captured.out == ""


def test_a_gpu_without_capacity(tmp_path: Path, capsys) -> None:
    path = tmp_path / "gpus.toml"
    path.write_text("[mine]\nlabel = 'Mine'\n")
    assert main(["run", "--task", "voc", "--gpu-file", str(path), "--gpu", "mine"]) == 2
    assert "[mine] has no capacity: give visible_mib" in capsys.readouterr().err


def test_a_case_that_fails_is_a_result_and_status_1(monkeypatch, capsys) -> None:
    def broken(case: Case, gpus: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("bench.engines.simulate.measure", broken)
    assert main(["run", "--task", "voc", "--method", "fixed", *SMALL, "--json"]) == 1
    (line,) = _lines(capsys)
    assert (line["status"], line["message"]) == ("error", "RuntimeError: the sky fell")


def test_list_names_everything(capsys) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("e3va++", "norm_tuning", "ade20k", "swin_small", "rtx-3090-24gb", "simulate", "torch-2.11", "fp32"):
        assert f"  {name}" in out
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "methods", "tasks", "backbones", "gpus", "engines", "profiles", "precisions",
    ]  # fmt: skip


def test_help_without_a_command(capsys) -> None:
    assert main([]) == 0
    assert "compare" in capsys.readouterr().out


def test_fit_says_what_a_card_cannot_do(capsys, tmp_path: Path) -> None:
    path = tmp_path / "gpus.toml"
    path.write_text("[tiny]\nvisible_mib = 250\ncontext_mib = 200\n")
    arguments = ["fit", "--gpu", "tiny", "--gpu-file", str(path), "--task", "voc", "--backbone", "swin_tiny"]
    assert main([*arguments, "--method", "e3va", "--image-size", "64x64"]) == 0
    out = capsys.readouterr().out
    assert "tiny, 0.05 GiB usable; voc, swin_tiny, 2 x 64 x 64, fp32; simulated" in out
    (row,) = (line.split() for line in out.splitlines()[2:])
    assert row == ["e3va", "oom", "–", "0", "–"]


@pytest.mark.nightly
def test_fit_prints_what_a_card_can_do(capsys, tmp_path: Path) -> None:
    path = tmp_path / "gpus.toml"
    path.write_text("[tiny]\nvisible_mib = 900\ncontext_mib = 200\n")
    arguments = ["fit", "--gpu", "tiny", "--gpu-file", str(path), "--task", "voc", "--backbone", "swin_tiny"]
    assert main([*arguments, "--method", "e3va", "--image-size", "224x416"]) == 0
    out = capsys.readouterr().out
    assert "tiny, 0.68 GiB usable; voc, swin_tiny, 2 x 224 x 416, fp32; simulated" in out
    (row,) = (line.split() for line in out.splitlines()[2:])
    assert row[:2] == ["e3va", "fits"]
    assert int(row[3]) > 2


@pytest.mark.nightly
def test_fit_over_runs(capsys, tmp_path: Path) -> None:
    path = tmp_path / "gpus.toml"
    path.write_text("[tiny]\nvisible_mib = 1000\ncontext_mib = 150\n")
    arguments = ["fit", "--gpu", "tiny", "--gpu-file", str(path), "--task", "voc", "--backbone", "swin_tiny"]
    assert main([*arguments, "--method", "full", "--image-size", "64x96", "--batches", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 x 64 x 96, fp32; simulated over runs of 2 batches" in out
    assert out.splitlines()[2].split()[1] == "fits"


def test_compare_passes_what_is_equal_and_fails_what_grew(tmp_path: Path, capsys) -> None:
    before, after = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    case = Case(task="voc", method="fixed", backbone="swin_tiny", image_size=(64, 64), batch_size=1, engine="simulate")
    (result,) = run([case], select_gpus())
    before.write_text(result.to_json() + "\n")
    line = json.loads(result.to_json())
    line["memory"]["peak_allocated_bytes"] = int(line["memory"]["peak_allocated_bytes"] * 1.02)
    after.write_text(json.dumps(line) + "\n")
    assert main(["compare", str(before), str(before)]) == 0
    capsys.readouterr()
    assert main(["compare", str(before), str(after)]) == 1
    worse, total = [row for row in capsys.readouterr().out.splitlines() if "worse" in row]
    assert total.endswith("figures of 1 cases: 1 worse, 6 within tolerance")
    assert "allocated" in worse and "+2.00 %" in worse
    assert main(["compare", str(before), str(after), "--memory-tolerance", "3%"]) == 0
    assert main(["compare", str(before), str(after), "--tolerance", "allocated=3%"]) == 0
    capsys.readouterr()
    assert main(["compare", str(before), str(after), "--markdown"]) == 1
    assert capsys.readouterr().out.startswith("**Worse.** ")
    assert main(["compare", str(before), str(after), "--json"]) == 1
    outcomes = {line["metric"]: line["outcome"] for line in _lines(capsys)}
    assert outcomes["allocated"] == "worse" and outcomes["reserved"] == "same"
    assert main(["compare", str(before), str(after), "--memory-tolerance", "much"]) == 2
    assert read_results(before).results == [result]
