"""Small made-up data sets, drawn by arithmetic and written in the real formats.

Names are imported when they are first used, because command lines read the settings without NumPy.
"""

from typing import TYPE_CHECKING

from drystep.late_imports import late_imports

if TYPE_CHECKING:
    from bench.training.data.made.make import MadeSet, make_set

__all__ = ["MadeSet", "make_set"]

_MODULES = {"MadeSet": "bench.training.data.made.make", "make_set": "bench.training.data.made.make"}
__getattr__ = late_imports(__name__, _MODULES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
