"""drystep: a training step run dry. Its GPU memory to the byte, and its time, without a GPU.

Names are imported when they are first used: the pytest plugin lives in this package, and no other project's test run
should wait for PyTorch.
"""

from typing import TYPE_CHECKING

from drystep.late_imports import late_imports

if TYPE_CHECKING:
    from drystep.check_step import Check, check
    from drystep.cuda.rules import Rules
    from drystep.errors import SimulationError
    from drystep.gpus.classes import Gpu
    from drystep.operators import Work, Workspace, register_operator
    from drystep.simulation import Simulation
    from drystep.simulator import simulate
    from drystep.values.oracles import Oracles, Share

__version__ = "0.2.0"
__all__ = [
    "Check", "Gpu", "Oracles", "Rules", "Share", "Simulation", "SimulationError", "Work", "Workspace", "__version__",
    "check", "register_operator", "simulate",
]  # fmt: skip

_MODULES = {
    "Check": "drystep.check_step",
    "check": "drystep.check_step",
    "Gpu": "drystep.gpus.classes",
    "Oracles": "drystep.values.oracles",
    "Rules": "drystep.cuda.rules",
    "Share": "drystep.values.oracles",
    "Simulation": "drystep.simulation",
    "SimulationError": "drystep.errors",
    "Work": "drystep.operators",
    "Workspace": "drystep.operators",
    "register_operator": "drystep.operators",
    "simulate": "drystep.simulator",
}
"""Name -> the module that defines it."""


__getattr__ = late_imports(__name__, _MODULES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
