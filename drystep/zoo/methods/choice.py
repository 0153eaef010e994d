"""The method of a step, by its name."""

from collections.abc import Mapping
from typing import Any

from drystep.errors import choose
from drystep.zoo.methods.adapters import ADAPTERS, adapter
from drystep.zoo.methods.entry_points import registered, registered_method
from drystep.zoo.methods.frozen import LAST, bitfit, full, head, last_blocks, norm
from drystep.zoo.methods.method_code import MethodCode
from drystep.zoo.model_code import ModelCode

FROZEN = {"full": full, "head": head, "bitfit": bitfit, "norm": norm}


def method_names() -> list[str]:
    """Names of all methods that this installation has; last-N stands for last-1, last-2 and so on."""
    return [*FROZEN, "last-N", *ADAPTERS, *registered()]


def method_code(name: str, model: ModelCode, options: Mapping[str, Any]) -> MethodCode:
    """The code of a method for a model. Raises `ValueError` for an unknown one, or one that does not suit the model."""
    if name in FROZEN:
        return FROZEN[name](model, options)
    if LAST.fullmatch(name):
        return last_blocks(name, model, options)
    if name in ADAPTERS:
        return adapter(name, model, options)
    others = registered()
    choose("method", name, method_names() if name not in others else others)
    return registered_method(others[name], options)
