"""Trainings of several cases on one data set, each in a folder of its own; those that are done are not repeated."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.cases.case import Case
from bench.training.data.data_set import DataSet
from bench.training.data.loading import TrainingBatches
from bench.training.loop import LoopOptions, train
from bench.training.names import ALL_FILES, CHECKPOINTS, SUMMARY_FILE, TENSORBOARD
from bench.training.processes import Processes
from bench.training.recipe import Recipe
from bench.training.run import Run, begin_run, require_same_run, write_json
from bench.training.simulated import simulated_cost
from bench.training.step import DivergedError
from bench.training.watcher import Watcher
from drystep.errors import OutputError


@dataclass(frozen=True)
class Trained:
    """How one training of a grid has ended."""

    text: str
    """A line for people."""
    failure: str | None = None
    """Why it failed; None if it did not."""


@dataclass(frozen=True)
class Grid:
    """What all trainings of a grid share."""

    data: DataSet
    recipe: Recipe
    pretrained: str
    """"timm", a file, or "" for random weights."""
    out: Path
    """Folder of the runs' folders."""
    options: LoopOptions
    workers: int
    """Processes that load images."""
    watcher: Watcher = field(default_factory=Watcher)
    """Who watches."""

    def train(self, case: Case, joined: Processes, rerun: bool = False) -> Trained:
        """Train a case to its end, unless that was done before.

        A loss that is no finite number is a failure, which costs no other case. Raises `ValueError` for what cannot be
        trained, and `OutputError` for files that cannot be written.
        """
        _require_device(case, joined)
        run = Run(case, self.recipe, self.pretrained, self.data.made_up, len(self.data.entries), joined.count)
        folder = self.out / run.name
        if joined.is_first and rerun:
            _clear(folder)
        joined.wait()
        if _is_done(folder, run):
            return Trained(f"{run.name} is done: {folder}")
        run.recipe.passes(joined.count)  # raises `ValueError` before anything is written, as does the next line
        model = run.build(torch.device("cpu"))
        if joined.is_first:
            begin_run(folder, run, self.data.folder)
        joined.wait()
        batches = TrainingBatches(
            self.data, run.recipe.images, images_per_gpu=run.recipe.images_per_gpu, seed=case.seed,
            workers=self.workers, rank=joined.rank, ranks=joined.count,
        )  # fmt: skip
        try:
            cost = train(run, model, folder, batches, self.options, joined, self.watcher)
        except DivergedError as error:
            if joined.count > 1:  # the other processes wait for this one until it ends
                raise OutputError(str(error)) from error
            return Trained("", str(error))
        if joined.is_first:
            write_json(folder / SUMMARY_FILE, {**cost, **simulated_cost(run, cost)})
        joined.wait()
        return Trained(f"{run.name}: {run.steps} steps in {cost.get('seconds', 0):.0f} s: {folder}")


def _require_device(case: Case, joined: Processes) -> None:
    if joined.device.type == "cpu" and case.precision != "fp32":
        raise ValueError(f"{case.precision} is a precision of GPUs: take fp32 on a CPU")
    if case.precision == "apex-o1":
        raise ValueError("apex-o1 can only be simulated, because NVIDIA Apex is not part of PyTorch: take amp-fp16")


def _clear(folder: Path) -> None:
    """Remove what a run has written."""
    for name in (CHECKPOINTS, TENSORBOARD):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ALL_FILES:
        (folder / name).unlink(missing_ok=True)


def _is_done(folder: Path, run: Run) -> bool:
    """Whether a folder has this run, trained to its end. Raises `ValueError` where it has another."""
    if not (folder / SUMMARY_FILE).exists():
        return False
    require_same_run(folder, run)
    return True
