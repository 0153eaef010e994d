from pathlib import Path

import pytest

from bench.training.log import TrainingLog, read_log
from drystep.errors import OutputError


def _line(step: int) -> dict:
    return {"step": step, "loss": 0.5, "losses": {"class": 0.5}, "learning_rate": 0.1, "step_ms": 3.0}


def test_a_resumed_training_replaces_the_lines_that_it_repeats(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for done, steps in ((0, range(6)), (4, range(4, 8))):
        log = TrainingLog(path, done)
        for step in steps:
            log.add(_line(step))
    assert [line["step"] for line in read_log(path)] == list(range(8))


def test_a_line_that_a_killed_process_left_unfinished_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    TrainingLog(path, 0).add(_line(0))
    with path.open("a") as file:
        file.write('{"step": 1, "lo')
    TrainingLog(path, 1).add(_line(1))
    assert [line["step"] for line in read_log(path)] == [0, 1]


def test_tensorboard_gets_the_losses_too(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainingLog(tmp_path / "log.jsonl", 0, tensorboard=True)
    log.add(_line(3))
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("losses/class")] == [(3, 0.5)]


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises((OutputError, OSError)):
        TrainingLog(tmp_path / "log.jsonl", 0)
