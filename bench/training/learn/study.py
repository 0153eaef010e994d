"""All runs of a study, in processes side by side."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from bench.training.learn.settings import RANDOM, LearnSettings
from bench.training.learn.training import Run, fine_tune, pretrain


@dataclass(frozen=True)
class Study:
    """What a study found."""

    settings: LearnSettings
    source_miou: float
    """Mean IoU of the pre-trained model on its own domain, 0 to 1."""
    runs: tuple[Run, ...]
    """In the order of targets, methods (`RANDOM` last) and seeds."""


def run_study(
    settings: LearnSettings,
    processes: int = 2,
    pretrained: Callable[[float], object] = lambda miou: None,
    ended: Callable[[Run], object] = lambda run: None,
) -> Study:
    """Pre-train once, and fine-tune for each target, method and seed, each in one thread of a process.

    `pretrained` is called with the mIoU on the source domain, and `ended` after each fine-tuning. The values do not
    depend on the number of processes. Raises `ValueError` unless that is at least 1.
    """
    if processes < 1:
        raise ValueError(f"the number of processes must be at least 1, got {processes}")
    jobs = [
        (target, method, seed)
        for target in settings.targets
        for method in (*settings.methods, RANDOM)
        for seed in settings.seeds
    ]
    with _pool(processes) as pool:
        first = pool.submit(pretrain, settings)
        futures = {job: pool.submit(fine_tune, settings, *job, {}) for job in jobs if job[1] == RANDOM}  # meanwhile
        state, source_miou = first.result()
        pretrained(source_miou)
        futures |= {job: pool.submit(fine_tune, settings, *job, state) for job in jobs if job not in futures}
        for future in as_completed(futures.values()):
            ended(future.result())
        return Study(settings, source_miou, tuple(futures[job].result() for job in jobs))


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each, which begin no further run after an error or an interruption."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
