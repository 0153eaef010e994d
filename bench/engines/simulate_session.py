"""A simulation in a process of its own, for cases whose process in the pool may have died of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from bench.case import Case
from bench.engines import simulate
from bench.gpus import Gpu
from bench.peaks import Peaks


class SimulateSession:
    """One case on meta tensors."""

    def __init__(
        self, case: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]], note_phase: Callable[[str], None]
    ) -> None:
        torch.set_num_threads(1)
        self.case = Case(**case)
        self.gpus = [Gpu(**{**gpu, "peaks": Peaks(**gpu["peaks"])}) for gpu in gpus]
        note_phase("simulation")

    def measure(self) -> str:
        """The result line."""
        return simulate.measure(self.case, self.gpus).to_json()

    def so_far(self) -> dict[str, Any]:
        """Nothing."""
        return {}
