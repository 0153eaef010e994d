"""E3VA: parameter, memory and time efficient adapters for Swin (Yin et al., MM '24).

Names are imported when they are first used, so that a command line can name methods without waiting for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from e3va.design import Design
    from e3va.model import E3VA, FORMS, Form

__version__ = "0.2.0"
__all__ = ["E3VA", "FORMS", "Design", "Form", "__version__"]

_MODULES = {"Design": "e3va.design", "E3VA": "e3va.model", "FORMS": "e3va.model", "Form": "e3va.model"}
"""Name -> the module that defines it."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
