"""Simulation equals execution: a step on meta tensors and on the CPU leave the same allocations, to the byte."""

import pytest
import torch

from bench import Case
from bench.gpus import select_gpus
from bench.methods import METHODS
from bench.simulation.simulation import Simulation, judge, trace_steps
from bench.training_step import prepare

SIZES = {"voc": (96, 128), "ade20k": (64, 64), "coco": (64, 96)}


def _observe(case: Case, device: str) -> Simulation:
    prepared = prepare(case, torch.device(device))
    return judge(trace_steps(prepared.build_step, torch.device(device), case.profile, case.precision), select_gpus())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", SIZES)
def test_meta_and_cpu_agree_to_the_byte(task: str, method: str) -> None:
    rois = {"rois_per_image": 8} if task == "coco" else {}
    case = Case(task=task, method=method, backbone="swin_tiny", image_size=SIZES[task], **rois)
    simulated, executed = _observe(case, "meta"), _observe(case, "cpu")
    assert simulated.peak_allocated_bytes == executed.peak_allocated_bytes
    assert simulated.peak_reserved_bytes == executed.peak_reserved_bytes
    assert simulated.at_peak == executed.at_peak
    assert simulated.peak_phase == executed.peak_phase
    assert simulated.fits == executed.fits
