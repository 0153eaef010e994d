"""`python -m bench learn`: its files and exit statuses; nightly, what the methods learn."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.training.learn import study
from bench.training.learn.settings import RANDOM, LearnSettings
from bench.training.learn.study import Study
from bench.training.learn.training import Run

MIOUS = {"full": 0.8, "fixed": 0.3, "e3va": 0.6, "lora": 0.5, "bitfit": 0.4, "adapter": 0.5, RANDOM: 0.2}


def play(monkeypatch: pytest.MonkeyPatch, **changed: float) -> None:
    """Let a study find these accuracies."""

    def run_study(settings: LearnSettings, processes: int, pretrained, ended) -> Study:
        pretrained(0.7)
        runs = [
            Run(target, method, seed, miou, 10, 1.0)
            for target in settings.targets
            for method, miou in (MIOUS | changed).items()
            for seed in settings.seeds
        ]
        ended(runs[0])
        return Study(settings, 0.7, tuple(runs))

    monkeypatch.setattr(study, "run_study", run_study)


def test_a_study_that_shows_all_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    play(monkeypatch)
    assert main(["learn", "--out", str(tmp_path / "out")]) == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["learn.json", "learn.md", "learn.png"]
    document = json.loads((tmp_path / "out" / "learn.json").read_text())
    assert len(document["runs"]) == 2 * 7 * 3
    assert all(comparison["shown"] for comparison in document["comparisons"])
    captured = capsys.readouterr()
    assert captured.err == "pre-trained: mIoU 0.700 on its own domain\nangles, seed 0, Full: mIoU 0.800 (1 s)\n"
    assert "On angles, E3VA learns better than Fixed" in captured.out


def test_e3va_that_does_not_beat_fixed_is_said_and_fails(tmp_path: Path, monkeypatch, capsys) -> None:
    play(monkeypatch, e3va=0.29)
    assert main(["learn", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-2:] == [
        f"unexpected: E3VA is not shown to be above Fixed on {target}" for target in ("angles", "kinds")
    ]
    assert "On kinds, E3VA is NOT SHOWN to learn better than Fixed" in captured.out


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert main(["learn", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"error: cannot write to {tmp_path / 'file'}: File exists\n"


@pytest.mark.nightly
def test_the_methods_learn(tmp_path: Path) -> None:
    """Full above Fixed, pre-trained above random, and E3VA above Fixed where the frozen features lack what is asked."""
    assert main(["learn", "--out", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "learn.json").read_text())
    assert document["source_miou"] > 0.5
