"""`drystep calibrate`, with a card that this machine need not have."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from drystep.commands.cli import main
from drystep.gpus.classes import read_gpus
from drystep.time.measured_operators import measured_cards

LABEL = 'A "card" \\ \x1b[2J \U0001f600'
MIB = 1 << 20


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for a card; what was measured is noted."""
    found: list[str] = []

    def measure(device: torch.device) -> list[str]:
        found.append("measured")
        return found

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: LABEL)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: (8, 9))
    properties = SimpleNamespace(multi_processor_count=58)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (7500 * MIB, 8000 * MIB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 100 * MIB)
    monkeypatch.setattr("drystep.time.calibrate.measure_card", measure)
    card = next(iter(measured_cards()))
    monkeypatch.setattr(
        "drystep.time.calibrate.peaks_from", lambda found: (card, {"fp32_tflops": 12.0, "bandwidth_gbs": 600.0})
    )
    return found


def test_a_card_is_added(measured: list[str], tmp_path: Path) -> None:
    path = tmp_path / "new" / "cards.toml"
    assert main(["calibrate", "--name", "mine.1", "--out", str(path)]) == 0
    assert main(["calibrate", "--out", str(path)]) == 0
    first, second = read_gpus(path).values()
    assert (first.name, first.label, first.visible_mib, first.context_mib) == ("mine.1", LABEL, 8000, 400)
    assert (second.name, second.label, second.compute_capability) == ("a-card-2j", LABEL, "8.9")
    assert main(["gpus", "--gpu-file", str(path)]) == 0


@pytest.mark.parametrize("name", ["my card", "", "[x]", "a\nb"])
def test_a_name_that_cannot_be(measured: list[str], tmp_path: Path, capsys, name: str) -> None:
    path = tmp_path / "cards.toml"
    assert main(["calibrate", "--name", name, "--out", str(path)]) == 2
    assert "letters (A to Z), digits, dots, dashes and underscores alone" in capsys.readouterr().err
    assert not measured and not path.exists()


@pytest.mark.parametrize("content", ["hello\n", "[mine]\nvisible_mib = 9000\n", "[a]\ncores = 3\n"])
def test_a_file_that_cannot_take_it_is_refused_before_measuring(
    measured: list[str], tmp_path: Path, capsys, content: str
) -> None:
    path = tmp_path / "cards.toml"
    path.write_text(content)
    assert main(["calibrate", "--name", "mine", "--out", str(path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not measured and path.read_text() == content


def test_a_folder_that_is_a_file(measured: list[str], tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert main(["calibrate", "--out", str(tmp_path / "file" / "cards.toml")]) == 2
    assert "error: cannot write GPU classes to" in capsys.readouterr().err
    assert main(["calibrate", "--out", str(tmp_path)]) == 2
    assert "it is not a file" in capsys.readouterr().err
    assert not measured


def test_a_full_disk_costs_nobody_what_was_measured(
    measured: list[str], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["calibrate", "--name", "mine", "--out", str(tmp_path / "cards.toml")]) == 1
    captured = capsys.readouterr()
    reason = "No space left on device; the new one is on stdout"
    assert captured.err.splitlines()[-1] == f"error: cannot write GPU classes to {tmp_path / 'cards.toml'}: {reason}"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cards.toml").write_text(captured.out)
    assert read_gpus(tmp_path / "cards.toml")["mine"].label == LABEL
