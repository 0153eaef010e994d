"""What a training costs, simulated from the sizes of its batches, equals a recording of that training on the CPU."""

from collections.abc import Callable
from itertools import islice

import pytest
import torch

from bench.training.data.loading import TrainingBatches
from bench.training.simulated import BatchSizes, cost_of
from drystep.cuda.meta_cache import META

CPU = torch.device("cpu")


def _agree(run, batches: list) -> None:
    recorded = cost_of(run, batches, CPU)
    simulated = cost_of(run, [BatchSizes.of(batch).empty_batch() for batch in batches], META)
    assert simulated.peak_allocated_bytes == recorded.peak_allocated_bytes > 0
    assert simulated.peak_reserved_bytes == recorded.peak_reserved_bytes
    assert simulated.at_peak == recorded.at_peak
    assert simulated.peak_step == recorded.peak_step


@pytest.mark.parametrize(("task", "method"), [("voc", "e3va"), ("coco", "lora"), ("ade20k", "full")])
def test_simulated_memory_of_real_batches_equals_the_recording(tiny_run: Callable, task: str, method: str) -> None:
    run, data = tiny_run(task, method)
    batches = TrainingBatches(data, run.recipe.images, images_per_gpu=2, seed=0, workers=0).starting_at(0)
    _agree(run, list(islice(batches, 2)))


def test_several_passes_and_clipping_are_simulated_too(tiny_run: Callable) -> None:
    run, data = tiny_run("voc", "bitfit", images_per_gpu=1, total_batch=2, clip_norm=1.0)
    batches = TrainingBatches(data, run.recipe.images, images_per_gpu=1, seed=0, workers=0).starting_at(0)
    _agree(run, list(islice(batches, 3)))
