"""Simulations in a process of their own, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from bench.cases.case import Case
from bench.engines import simulate
from drystep.gpus.classes import Gpu
from drystep.gpus.peaks import Peaks


class SimulateSession:
    """Cases on meta tensors, judged for the same GPU classes."""

    def __init__(self, gpus: Sequence[Mapping[str, Any]], note_phase: Callable[[str], None]) -> None:
        torch.set_num_threads(1)  # as many of these run as there are cores
        self.gpus = [gpu_of(fields) for fields in gpus]
        note_phase("simulation")

    def measure(self, case: Mapping[str, Any]) -> str:
        """Return the result line of a case, even if it fails."""
        return simulate.measure_or_fail(Case(**case), self.gpus).to_json()

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before a simulation ends."""
        return {}


def gpu_of(fields: Mapping[str, Any]) -> Gpu:
    """A class of GPUs as it was before it was sent to this process."""
    return Gpu(**{**fields, "peaks": Peaks(**fields["peaks"])})
