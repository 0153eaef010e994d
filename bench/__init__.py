"""The paper's suite: what fine-tuning a vision model costs in GPU memory and time, measured or simulated.

Names are imported when they are first used, so that command lines need not wait for PyTorch.
"""

from typing import TYPE_CHECKING

from drystep.late_imports import late_imports

if TYPE_CHECKING:
    from bench.cases.case import Case
    from bench.launchers.run import measure
    from bench.results.result import Result
    from drystep.simulator import simulate

__all__ = ["Case", "Result", "measure", "simulate"]

_MODULES = {
    "Case": "bench.cases.case",
    "Result": "bench.results.result",
    "measure": "bench.launchers.run",
    "simulate": "drystep.simulator",
}
"""Name -> the module that defines it."""


__getattr__ = late_imports(__name__, _MODULES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
