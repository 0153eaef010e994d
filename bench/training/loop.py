"""The loop of a training: step after step, with its log and checkpoints; it goes on where it was stopped."""

import statistics
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bench.cases.training_step import Batch
from bench.results.provenance import describe_cpu
from bench.training.checkpoints import Checkpoint, load_checkpoint, newest_checkpoint, write_checkpoint
from bench.training.data.loading import TrainingBatches
from bench.training.log import TrainingLog, read_log
from bench.training.names import CHECKPOINTS, LOG_FILE
from bench.training.processes import Processes
from bench.training.run import Run, keep_frozen, load_frozen
from bench.training.simulated import BatchSizes, learning_step
from bench.training.step import DivergedError, Losses, watched
from bench.training.watcher import Seen, Show, Watcher
from e3va.backbones.trained_state import trainable_state_dict

KEPT_BATCHES = 4
"""Batches up to the largest one whose sizes are kept, so that their steps can be simulated afterwards."""
CHECKPOINTS_OF_A_TRAINING = 20
"""Unless it is said how many steps lie between them."""


@dataclass(frozen=True)
class LoopOptions:
    """How a training is watched and kept; none of it changes what is learned."""

    log_every: int = 10
    """Steps between lines of the log."""
    checkpoint_every: int | None = None
    """Steps between checkpoints; None for a twentieth of the training. There is one after the last step, too."""
    tensorboard: bool = False
    """Whether TensorBoard's files are written beside the log."""


@dataclass
class Observed:
    """What a training has shown of its costs so far. It is part of each checkpoint."""

    peak_allocated_bytes: int | None = None
    """Most that was allocated on the GPU; None on a CPU."""
    peak_reserved_bytes: int | None = None
    """Most that PyTorch's allocator reserved; None on a CPU."""
    worst: list[dict[str, Any]] = field(default_factory=list)
    """Sizes of the batches up to the largest one."""

    def note(self, device: torch.device) -> None:
        """Take in the counters of the GPU."""
        if device.type == "cuda":
            allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
            self.peak_allocated_bytes = max(allocated, self.peak_allocated_bytes or 0)
            self.peak_reserved_bytes = max(reserved, self.peak_reserved_bytes or 0)

    def noting_sizes(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass batches on, and keep the sizes of those up to the largest one."""
        recent: deque[BatchSizes] = deque(maxlen=KEPT_BATCHES)
        largest = tuple(self.worst[-1]["load"]) if self.worst else (0, 0)
        for batch in batches:
            recent.append(BatchSizes.of(batch))
            if recent[-1].load > largest:
                largest = recent[-1].load
                self.worst = [{**sizes.fields(), "load": sizes.load} for sizes in recent]
            yield batch


def train(
    run: Run,
    model: nn.Module,
    folder: Path,
    batches: TrainingBatches,
    options: LoopOptions,
    joined: Processes,
    watcher: Watcher,
) -> dict[str, Any]:
    """Train a run's model, as `Run.build` has built it, to its end; return what it cost, in the first process.

    A run that was stopped goes on from its newest checkpoint, exactly as if it had not been stopped. Raises
    `DivergedError` at the first loss that is no finite number, `ValueError` for a checkpoint of something else, and
    `OutputError` for files that cannot be written.
    """
    say = watcher.say if joined.is_first else lambda message: None
    checkpoint = newest_checkpoint(folder / CHECKPOINTS, say)
    if checkpoint is None:
        if joined.is_first:
            keep_frozen(folder, run, model)
    else:
        load_frozen(folder, run, model)
        load_checkpoint(model, checkpoint, folder)
    joined.wait()
    return _Training(run, folder, batches, options, joined, watcher, model, checkpoint).to_the_end()


class _Training:
    """One training while it runs."""

    def __init__(
        self, run: Run, folder: Path, batches: TrainingBatches, options: LoopOptions, joined: Processes,
        watcher: Watcher, model: nn.Module, checkpoint: Checkpoint | None,
    ) -> None:  # fmt: skip
        self.run, self.folder, self.options, self.joined, self.watcher = run, folder, options, joined, watcher
        self.model = model.to(joined.device).train()
        self.done = 0 if checkpoint is None else checkpoint.step
        self.observed = Observed(**checkpoint.state["observed"]) if checkpoint else Observed()
        self.losses: list[Losses] = []
        passes = run.recipe.passes(run.ranks)
        self.batches = batches.starting_at(self.done * passes)
        sized = self.observed.noting_sizes(self.batches)
        self.step = learning_step(run, self._in_processes(), sized, joined.device)
        self.step.watch = self._watch
        if checkpoint is not None:
            self.step.optimizer.load_state_dict(checkpoint.state["optimizer"])
            self.step.scaler.load_state_dict(checkpoint.state["scaler"])

    def _in_processes(self) -> nn.Module:
        if self.joined.count == 1:
            return self.model
        if self.joined.device.type == "cuda":  # there is no synchronised batch norm on a CPU
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        return DistributedDataParallel(self.model)

    def to_the_end(self) -> dict[str, Any]:
        first = self.joined.is_first
        log = TrainingLog(self.folder / LOG_FILE, self.done, self.options.tensorboard) if first else None
        began = time.monotonic()
        try:
            if first:
                with self.watcher.steps(self.run.name, self.done, self.run.steps) as show:
                    self._steps(log, show)
            else:
                self._steps(None, lambda seen: None)
        finally:
            self.batches.close()  # ends the processes that load images
            if log is not None:
                log.close()
        return self._summarise(time.monotonic() - began) if first else {}

    def _steps(self, log: TrainingLog | None, show: Show) -> None:
        every = self.options.checkpoint_every or max(1, self.run.steps // CHECKPOINTS_OF_A_TRAINING)
        while self.done < self.run.steps:
            line = self._one_step()
            self.done += 1
            last = self.done == self.run.steps
            if log is not None and (line["step"] % self.options.log_every == 0 or last):
                log.add(line)
            if last or self.done % every == 0:
                self._keep()
            show(Seen(self.done, line["loss"], line["images_per_s"], self._memory_bytes()))

    def _one_step(self) -> dict[str, Any]:
        """Run one step, and return its line of the log."""
        run, number = self.run, self.done
        rate = run.recipe.learning_rate * run.recipe.schedule.factor_at(number, run.steps)
        for group in self.step.optimizer.param_groups:
            group["lr"] = rate
        # A resumed training draws the same numbers, since those of a step depend on nothing before it.
        torch.manual_seed(_seed(run.case.seed, number, self.joined.rank))
        self.losses.clear()
        start = time.perf_counter()
        try:
            self.step()
        except DivergedError as error:
            raise DivergedError(f"the training stopped at step {number}: {error}") from error
        took_s = time.perf_counter() - start
        self.observed.note(self.joined.device)
        losses = {name: statistics.fmean(one[name] for one in self.losses) for name in self.losses[0]}
        return {
            "step": number,
            "loss": sum(losses.values()),
            "losses": losses,
            "learning_rate": rate,
            "step_ms": took_s * 1e3,
            "images_per_s": run.recipe.total_batch / took_s,
        }

    def _watch(self, losses: Mapping[str, Tensor]) -> None:
        self.losses.append(watched(losses))

    def _keep(self) -> None:
        """Write a checkpoint."""
        if self.joined.is_first:
            state = {
                "optimizer": self.step.optimizer.state_dict(),
                "scaler": self.step.scaler.state_dict(),
                "observed": vars(self.observed),
            }
            trained = {name: tensor.cpu() for name, tensor in trainable_state_dict(self.model).items()}
            write_checkpoint(self.folder / CHECKPOINTS, Checkpoint(self.done, trained, state))
        self.joined.wait()

    def _memory_bytes(self) -> int:
        return self.observed.peak_allocated_bytes or psutil.Process().memory_info().rss

    def _summarise(self, took_s: float) -> dict[str, Any]:
        """What the training cost."""
        times_ms = [line["step_ms"] for line in read_log(self.folder / LOG_FILE)]
        return {
            "steps": self.done,
            "seconds": took_s,
            "device": _device_name(self.joined.device),
            "measured_step_ms": statistics.median(times_ms),
            **vars(self.observed),
        }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else describe_cpu()


def _seed(seed: int, step: int, rank: int) -> int:
    """A seed of one step in one process. Products of odd numbers below 2^64 keep them apart."""
    return (seed * 0x9E3779B97F4A7C15 + step * 0xC2B2AE3D27D4EB4F + rank * 0x165667B19E3779F9) % 2**63
