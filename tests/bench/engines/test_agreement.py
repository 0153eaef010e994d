"""Simulation equals execution: a step on meta tensors and on the CPU leave the same allocations, to the byte."""

from collections.abc import Iterator

import pytest
import torch

from bench import Case
from bench.cases.methods import METHODS, PAPER_METHODS
from bench.cases.training_step import prepare
from bench.engines.simulate import trace_case
from drystep.gpus.classes import select_gpus
from drystep.simulation import Simulation, judge

SIZES = {"voc": (64, 96), "ade20k": (64, 64), "coco": (64, 96)}


def _observe(case: Case, device: str) -> Simulation:
    prepared = prepare(case, torch.device(device))
    return judge(trace_case(case, prepared.build_step, torch.device(device)), select_gpus())


def _require_agreement(case: Case) -> Simulation:
    simulated, executed = _observe(case, "meta"), _observe(case, "cpu")
    assert simulated.peak_allocated_bytes == executed.peak_allocated_bytes
    assert simulated.peak_reserved_bytes == executed.peak_reserved_bytes
    assert simulated.at_peak == executed.at_peak
    assert simulated.peak_phase == executed.peak_phase
    assert simulated.peak_step == executed.peak_step
    assert simulated.fits == executed.fits
    return simulated


OFTEN = {
    "voc": ("full", "lora", "lst", "e3va", "e3va-recompute"),
    "ade20k": ("lora",),
    "coco": ("e3va",),
}
"""Per task, methods that differ in what they run: the others repeat their operators at other ranks, or train others of
the same parameters."""


def _pairs() -> Iterator[object]:
    """Every method on one task, and the paper's on every task; nightly, but for those of `OFTEN`."""
    for task, often in OFTEN.items():
        for method in METHODS if task == "voc" else PAPER_METHODS:
            yield pytest.param(task, method, marks=() if method in often else pytest.mark.nightly)


PAIRS = list(_pairs())


@pytest.mark.parametrize(("task", "method"), PAIRS)
def test_meta_and_cpu_agree_to_the_byte(task: str, method: str) -> None:
    rois = {"rois_per_image": 8} if task == "coco" else {}
    case = Case(task=task, method=method, backbone="swin_tiny", image_size=SIZES[task], **rois)
    _require_agreement(case)


@pytest.mark.parametrize(
    ("task", "method"),
    [
        ("voc", "fixed"),
        *(pytest.param(*pair, marks=pytest.mark.nightly) for pair in (("voc", "full"), ("coco", "e3va"))),
    ],
)
def test_a_run_of_batches_agrees_to_the_byte(task: str, method: str) -> None:
    """Each batch has its own size and objects, so that the cache fragments alike in both."""
    rois = {"rois_per_image": 8} if task == "coco" else {}
    case = Case(task=task, method=method, backbone="swin_tiny", image_size=(96, 160), batches=4, **rois)
    simulated = _require_agreement(case)
    assert len(simulated.trace.iteration_starts) == 2 + 4
