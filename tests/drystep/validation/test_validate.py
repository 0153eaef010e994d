import json
from dataclasses import replace
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.validation import memtracker
from drystep.validation.check import Check, summarise
from drystep.validation.ground_truth import SAMPLE, CappedRun, read_runs
from drystep.validation.networks import network_of
from drystep.validation.validate import check_run
from drystep.validation.xmem_loop import build_loop

GIB = 1 << 30
CHECK = Check("a", "cnn", "reserved", 110, 100, 100, False, False, 1, 2, 0.5)


def test_errors_are_signed_and_only_where_there_is_a_peak() -> None:
    assert CHECK.error_percent == pytest.approx(10)
    assert replace(CHECK, predicted_bytes=90).error_percent == pytest.approx(-10)
    assert replace(CHECK, measured_oom=True).error_percent is None
    assert CHECK.right_about_oom
    assert replace(CHECK, predicted_oom=True).right_about_oom is False
    assert replace(CHECK, measured_oom=None).right_about_oom is None


def test_a_summary_by_hand() -> None:
    checks = [replace(CHECK, predicted_bytes=100 + error) for error in (1, -3, 2)]
    checks.append(replace(CHECK, measured_oom=True, predicted_oom=True))
    (summary,) = summarise(checks)
    assert (summary.runs, summary.compared) == (4, 3)
    assert summary.median_percent == pytest.approx(2)
    assert summary.p90_percent == pytest.approx(2.8)  # between 2 and 3, at 0.8
    assert summary.max_percent == pytest.approx(3)
    assert (summary.verdicts_right, summary.verdicts) == (4, 4)
    assert (summary.capped_right, summary.capped_runs) == (4, 8)


def test_verdicts_follow_the_device_and_its_limits() -> None:
    """Half a GiB of activations and 14 MB of weights: too much for 0.3 of a GiB, and none for 8 GiB."""
    run = next(run for run in read_runs(SAMPLE) if run.model == "mobilenet_v2")
    run = replace(
        run, batch_size=32, device_bytes=8 * GIB, oom=False, capped=(CappedRun(0.02, True), CappedRun(0.9, True))
    )
    check = check_run(run)
    assert not check.predicted_oom
    assert (check.capped_right, check.capped_runs) == (1, 2)
    assert check_run(replace(run, device_bytes=GIB // 3)).predicted_oom


@pytest.mark.nightly
def test_the_sample_is_within_what_the_readme_states(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    assert main(["validate", "--only", "xmem", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    summaries = {line["summary"]["group"]: line["summary"] for line in lines if "summary" in line}
    assert summaries["cnn"]["median_percent"] < 2.18  # xMem's own, on the rows that this sample was taken from
    assert summaries["cnn"]["verdicts_right"] == summaries["cnn"]["verdicts"] == 10
    assert len([line for line in lines if "check" in line and line["check"]["group"] == "cnn"]) == 10


def _first_rows(folder: Path, count: int) -> Path:
    path = folder / "few.csv"
    path.write_text("".join(SAMPLE.read_text().splitlines(keepends=True)[: 1 + count]))
    return path


def test_without_json_a_table_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--xmem", str(_first_rows(tmp_path, 1))]) == 0
    out = capsys.readouterr().out
    assert "ConvNeXtTiny_Adagrad_b489_3060" in out and "7,336" in out  # measured MiB
    assert "median error" in out


def test_a_run_that_cannot_be_built_costs_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _first_rows(tmp_path, 2)
    path.write_text(path.read_text().replace("torchvision:convnext_tiny", "torchvision:lenet", 1))
    assert main(["validate", "--xmem", str(path), "--json"]) == 1
    captured = capsys.readouterr()
    assert "is not simulated: unknown torchvision model 'lenet'" in captured.err
    assert [json.loads(line)["check"]["id"] for line in captured.out.splitlines() if "check" in line][:1]


def test_a_wrong_table_is_a_wrong_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "foreign.csv"
    path.write_text("a,b\n1,2\n")
    assert main(["validate", "--xmem", str(path)]) == 2
    assert "foreign.csv:1: not a table of xMem results" in capsys.readouterr().err


@pytest.mark.nightly
def test_memtracker_sees_the_same_step() -> None:
    """Both count every tensor; MemTracker knows neither blocks of 512 bytes nor workspaces."""
    run = next(run for run in read_runs(SAMPLE) if run.model == "mobilenet_v2")
    run = replace(run, batch_size=4, image_size=(64, 64))
    comparison = memtracker.compare_one("tiny", lambda: build_loop(run, network_of(run)), None)
    assert comparison.message == ""
    assert comparison.tracker_bytes is not None
    assert 4 * 4 * 3_504_872 <= comparison.tracker_bytes <= comparison.our_bytes  # weights, gradients, two moments
    assert comparison.times_faster == comparison.tracker_seconds / comparison.our_seconds
    assert comparison.our_error_percent is None
