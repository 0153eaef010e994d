import json
import pickle
from itertools import groupby
from pathlib import Path

import pytest

from bench.commands.cli import main

SMALL = ["explain", "--task", "voc", "--backbone", "swin_tiny", "--image-size", "64x64", "--batch-size", "1"]


def test_three_files_and_tables(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "new" / "folder"
    assert main([*SMALL, "--method", "e3va", "--out", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {"timeline.json", "timeline.png", "snapshot.pickle"}
    data = json.loads((folder / "timeline.json").read_text())
    assert data["case"]["method"] == "e3va"
    peak_bytes = data["peak"]["allocated_bytes"]
    for total in (
        sum(data["by_category"].values()),
        sum(data["by_operator"].values()),
        sum(row["total_bytes"] for row in data["by_module"]),
        sum(block["size_bytes"] for block in data["alive"]),
        max(data["moments"]["allocated_bytes"]),
    ):
        assert total == peak_bytes
    taken = pickle.loads((folder / "snapshot.pickle").read_bytes())
    assert sum(segment["total_size"] for segment in taken["segments"]) == data["peak_reserved_bytes"]
    out = capsys.readouterr().out
    for words in ("voc swin_tiny e3va 1x64x64; simulated", "module", "operator", "kind", "parameters", "backbone"):
        assert words in out


def test_json_is_all_there_is_on_stdout(capsys) -> None:
    assert main([*SMALL, "--json", "--depth", "1", "--method", "full"]) == 0
    data = json.loads(capsys.readouterr().out)
    modules = {row["module"] for row in data["by_module"]}
    assert "backbone" in modules
    assert all("." not in module for module in modules)
    assert data["verdict"] == "fits"
    assert data["capacity_bytes"] is None


def test_the_peak_agrees_with_run(capsys) -> None:
    assert main([*SMALL, "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert main(["run", *SMALL[1:], "--method", "e3va", "--json"]) == 0
    memory = json.loads(capsys.readouterr().out)["memory"]
    assert explained["peak"]["allocated_bytes"] == memory["peak_allocated_bytes"]
    assert explained["peak_reserved_bytes"] == memory["peak_reserved_bytes"]
    assert explained["by_category"] == {kind: size for kind, size in memory["at_peak"].items() if size}


def _peak_in_backward(data: dict) -> int:
    first = data["operators"][0]["index"]
    moments = data["moments"]
    return max(
        size
        for operator, size in zip(moments["operator"], moments["allocated_bytes"], strict=True)
        if data["operators"][operator - first]["phase"] == "backward"
    )


def test_the_options_of_a_case_count(capsys) -> None:
    peaks = []
    for options in ([], ["--checkpointing"], ["--precision", "amp-fp16"]):
        assert main([*SMALL, "--image-size", "256x256", "--method", "full", "--json", *options]) == 0
        peaks.append(_peak_in_backward(json.loads(capsys.readouterr().out)))
    assert max(peaks[1:]) < peaks[0]


def test_a_run_of_batches_shows_one_step(capsys) -> None:
    assert main([*SMALL, "--batches", "2", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    operators = [operator for operator in data["operators"] if not operator["name"].startswith("_record_function")]
    assert [phase for phase, _ in groupby(operator["phase"] for operator in operators)] == [
        "forward", "backward", "optimizer",
    ]  # fmt: skip


def test_under_a_card_of_ones_own_that_is_too_small(tmp_path: Path, capsys) -> None:
    cards = tmp_path / "cards.toml"
    cards.write_text('[tiny]\nlabel = "Tiny"\nvisible_mib = 60\ncontext_mib = 0\nsource = "none"\n')
    out = tmp_path / "out"
    arguments = [*SMALL, "--gpu-file", str(cards), "--under", "tiny", "--out", str(out)]
    assert main(arguments) == 0  # running out of memory is a result
    data = json.loads((out / "timeline.json").read_text())
    assert data["verdict"] == "oom"
    assert data["failed_request_bytes"] > 0
    assert max(data["moments"]["reserved_bytes"]) <= data["capacity_bytes"] == 60 << 20
    assert "out of memory in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "0"], "--depth must be at least 1, got 0"),
        (["--top", "0"], "--top must be at least 1, got 0"),
        (["--method", "lora2"], "unknown method 'lora2'"),
        (["--image-size", "big"], "image size 'big' is not HxW"),
        (["--under", "gtx-285"], "unknown GPU 'gtx-285'"),
    ],
)
def test_wrong_commands(arguments: list[str], message: str, capsys) -> None:
    assert main([*SMALL, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_out_must_be_a_folder(tmp_path: Path, capsys) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for out in (file, file / "below"):
        assert main([*SMALL, "--out", str(out)]) == 2
        assert "is a file: name a folder" in capsys.readouterr().err


def test_files_appear_whole_and_figures_are_not_lost(tmp_path: Path, capsys, monkeypatch) -> None:
    """A disk that is full at the last file leaves what was there; the tables are shown all the same."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "timeline.json").write_text("old")
    monkeypatch.setattr("drystep.fit.explanation.write_snapshot", full)
    assert main([*SMALL, "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == f"error: cannot write to --out {tmp_path}: No space left on device"
    assert "largest tensors" in captured.out
    assert [path.name for path in tmp_path.iterdir()] == ["timeline.json"]
    assert (tmp_path / "timeline.json").read_text() == "old"


def test_a_place_that_cannot_be_written_is_told_beforehand(capsys) -> None:
    assert main([*SMALL, "--out", "/proc/nosuch/folder"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: cannot write to --out /proc/nosuch/folder: ")
    assert captured.out == ""
