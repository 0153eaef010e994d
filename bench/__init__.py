"""What fine-tuning a vision model costs in GPU memory and time, measured or simulated.

Names are imported when they are first used: the pytest plugin lives in this package, and no other project's test run
shall wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.case import Case
    from bench.results import Result
    from bench.runner import measure
    from bench.simulation.errors import SimulationError
    from bench.simulation.oracles import Oracles
    from bench.simulation.simulation import Simulation, simulate

__all__ = ["Case", "Oracles", "Result", "Simulation", "SimulationError", "measure", "simulate"]

_HOMES = {
    "Case": "bench.case",
    "Oracles": "bench.simulation.oracles",
    "Result": "bench.results",
    "Simulation": "bench.simulation.simulation",
    "SimulationError": "bench.simulation.errors",
    "measure": "bench.runner",
    "simulate": "bench.simulation.simulation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
