"""The paper's suite: what fine-tuning a vision model costs in GPU memory and time, measured or simulated.

Names are imported when they are first used, so that command lines need not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
