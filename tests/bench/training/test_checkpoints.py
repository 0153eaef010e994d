import errno
from pathlib import Path

import pytest
import torch

from bench.training import checkpoints
from bench.training.checkpoints import STATE, WEIGHTS, Checkpoint, newest_checkpoint, write_checkpoint
from drystep.errors import OutputError


def _checkpoint(step: int) -> Checkpoint:
    moments = {"exp_avg": torch.full((3,), float(step)), "step": torch.tensor(float(step))}
    return Checkpoint(step, {"head.weight": torch.full((2, 2), float(step))}, {"optimizer": {"state": {0: moments}}})


def _written(folder: Path, *steps: int) -> Path:
    for step in steps:
        write_checkpoint(folder, _checkpoint(step))
    return folder


def test_the_newest_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = newest_checkpoint(_written(tmp_path, 9, 10), print)
    assert found is not None
    assert found.step == 10
    torch.testing.assert_close(dict(found.trained), dict(_checkpoint(10).trained))
    torch.testing.assert_close(found.state, _checkpoint(10).state)


def test_two_are_kept(tmp_path: Path) -> None:
    assert sorted(path.name for path in _written(tmp_path, 1, 2, 3).iterdir()) == ["step-00000002", "step-00000003"]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none", print) is None


@pytest.mark.parametrize("file", [WEIGHTS, STATE, "contents.json"])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_of_a_half_written_one_the_one_before_it_is_used(
    tmp_path: Path, file: str, kept: float, capsys: pytest.CaptureFixture
) -> None:
    path = _written(tmp_path, 5, 6) / "step-00000006" / file
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    found = newest_checkpoint(tmp_path, print)
    assert found is not None
    assert found.step == 5
    assert "step-00000006 is damaged and left out" in capsys.readouterr().out


def test_what_a_killed_process_left_is_no_checkpoint(tmp_path: Path) -> None:
    _written(tmp_path, 5)
    (tmp_path / ".step-00000006.part").mkdir()
    (tmp_path / ".step-00000006.part" / WEIGHTS).write_bytes(b"half")
    found = newest_checkpoint(tmp_path, print)
    assert found is not None
    assert found.step == 5
    _written(tmp_path, 6)
    found = newest_checkpoint(tmp_path, print)
    assert found is not None
    assert found.step == 6


def test_without_space_the_checkpoints_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(tmp_path, 5, 6)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(OutputError, match=r"the checkpoint of step 7 cannot be written to .*: No space left on device"):
        write_checkpoint(tmp_path, _checkpoint(7))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000005", "step-00000006"]
