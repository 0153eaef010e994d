from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.training.checkpoints import newest_checkpoint
from bench.training.data.data_set import DataSet
from bench.training.data.loading import TrainingBatches
from bench.training.log import read_log
from bench.training.loop import LoopOptions, train
from bench.training.names import CHECKPOINTS, LOG_FILE
from bench.training.processes import Processes
from bench.training.run import Run
from bench.training.step import DivergedError
from bench.training.watcher import Watcher

CPU = Processes(torch.device("cpu"))


class KilledError(Exception):
    """Stands for the end of the process."""


def _train(run: Run, data: DataSet, folder: Path, after: int | None = None, **options: int) -> dict:
    """Train in a folder, and stop without any clean-up after so many steps."""
    batches = TrainingBatches(
        data, run.recipe.images, images_per_gpu=run.recipe.images_per_gpu, seed=run.case.seed, workers=0
    )
    made = batches.starting_at
    if after is not None:
        batches.starting_at = lambda step: _ending(made(step), after)
    folder.mkdir(exist_ok=True)
    model = run.build(torch.device("cpu"))
    return train(run, model, folder, batches, LoopOptions(log_every=1, **options), CPU, Watcher())


def _ending(batches, after: int):
    for number, batch in enumerate(batches):
        if number == after:
            raise KilledError
        yield batch


def _logged(folder: Path) -> list:
    return [(line["step"], line["losses"]) for line in read_log(folder / LOG_FILE)]


@pytest.mark.parametrize("task", ["voc", "ade20k"])
def test_a_training_that_was_stopped_ends_with_the_same_bits(tiny_run: Callable, tmp_path: Path, task: str) -> None:
    """With stochastic depth, dropout of channels, batch norm and AdamW's moments; stopped twice."""
    run, data = tiny_run(task, "adapter", steps=5)
    _train(run, data, tmp_path / "whole", checkpoint_every=2)
    for after in (3, 1):
        with pytest.raises(KilledError):
            _train(run, data, tmp_path / "stopped", after, checkpoint_every=2)
    _train(run, data, tmp_path / "stopped", checkpoint_every=2)
    whole, stopped = (newest_checkpoint(tmp_path / name / CHECKPOINTS, print) for name in ("whole", "stopped"))
    assert whole is not None and stopped is not None
    assert whole.step == stopped.step == 5
    assert whole.trained.keys() == stopped.trained.keys()
    assert all(torch.equal(whole.trained[name], stopped.trained[name]) for name in whole.trained)
    torch.testing.assert_close(stopped.state, whole.state, rtol=0, atol=0)
    logs = [_logged(tmp_path / name) for name in ("whole", "stopped")]
    assert logs[0] == logs[1]
    assert [step for step, _ in logs[0]] == list(range(5))


def test_seeds_differ(tiny_run: Callable, tmp_path: Path) -> None:
    losses = []
    for seed in (0, 1):
        run, data = tiny_run("voc", "fixed", steps=2, seed=seed)
        _train(run, data, tmp_path / str(seed))
        losses.append([line["loss"] for line in read_log(tmp_path / str(seed) / LOG_FILE)])
    assert losses[0] != losses[1]


def test_a_loss_that_is_no_number_stops_with_its_step_and_name(tiny_run: Callable, tmp_path: Path) -> None:
    """An enormous rate; what was learned until the last checkpoint stays."""
    run, data = tiny_run("voc", "full", steps=40, learning_rate=1e18)
    run = replace(run, recipe=replace(run.recipe, clip_norm=None))
    with pytest.raises(DivergedError, match=r"the training stopped at step \d+: (class|box) is (nan|inf)"):
        _train(run, data, tmp_path, checkpoint_every=1)
    kept = newest_checkpoint(tmp_path / CHECKPOINTS, print)
    assert kept is not None
    assert kept.step == len(read_log(tmp_path / LOG_FILE))


def test_the_schedule_sets_the_rate_of_each_step(tiny_run: Callable, tmp_path: Path) -> None:
    run, data = tiny_run("voc", "fixed", steps=5)
    _train(run, data, tmp_path)
    rates = [line["learning_rate"] for line in read_log(tmp_path / LOG_FILE)]
    assert rates == [run.recipe.learning_rate * run.recipe.schedule.factor_at(step, 5) for step in range(5)]


def test_the_cost_names_the_largest_batch(tiny_run: Callable, tmp_path: Path) -> None:
    run, data = tiny_run("coco", "fixed", steps=4)
    cost = _train(run, data, tmp_path)
    batches = TrainingBatches(data, run.recipe.images, images_per_gpu=2, seed=0, workers=0).starting_at(0)
    loads = []
    for _ in range(4):
        images, targets = next(batches)
        loads.append((images.shape[-2] * images.shape[-1], targets.labels.shape[1]))
    assert tuple(cost["worst"][-1]["load"]) == max(loads)
    assert cost["steps"] == 4
