import json
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.gpus.classes import read_gpus, select_gpus

MIB = 1 << 20


def test_all_classes_fit_on_80_columns_with_the_usual_ones_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpus"]) == 0
    rows = capsys.readouterr().out.splitlines()
    table = rows[: 1 + len(read_gpus())]
    assert [row.split()[0] for row in table[1:]] == [*read_gpus()]
    assert [row.split()[0] for row in table if " * " in row] == [gpu.name for gpu in select_gpus()]
    assert all(len(row) <= 80 for row in table)
    assert "a100 for both" in " ".join(rows) and "24gb" in rows[len(table)]


def test_json_has_every_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[mine]\nvisible_mib = 400000\ncontext_mib = 300\nlabel = "My card"\nlink = "pcie3"\nlink_gbs = 16\n'
    )
    assert main(["gpus", "--json", "--gpu-file", str(path)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == [*read_gpus(), "mine"]
    mine = rows[-1]
    assert (mine["label"], mine["visible_mib"], mine["link"], mine["link_gbs"]) == ("My card", 400000, "pcie3", 16)
    assert (mine["usable_bytes"], mine["on_request"], mine["fp32_tflops"]) == (399700 * MIB, False, None)
    for row in rows[:-1]:
        gpu = read_gpus()[row["name"]]
        assert (row["source"], row["peaks_source"]) == (gpu.source, gpu.peaks.peaks_source)
        assert (row["bandwidth_gbs"], row["multiprocessors"]) == (gpu.peaks.bandwidth_gbs, gpu.peaks.multiprocessors)
