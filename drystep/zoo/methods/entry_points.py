"""Methods of other packages, which register in the entry point group `drystep.methods`."""

import inspect
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from drystep.zoo.methods.method_code import MethodCode

GROUP = "drystep.methods"


def registered() -> dict[str, EntryPoint]:
    """Name -> entry point of each method of another package."""
    return {point.name: point for point in entry_points(group=GROUP)}


def registered_method(point: EntryPoint, options: Mapping[str, Any]) -> MethodCode:
    """Lines that call a registered function of the model and named options, which returns the model to train.

    Raises `ValueError` where the function cannot be imported or has no option of a name.
    """
    try:
        function = point.load()
    except Exception as error:
        raise ValueError(f"method {point.name} cannot be imported from {point.value}: {error}") from error
    _, *others = inspect.signature(function).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in others)
    known = [parameter.name for parameter in others if parameter.kind is not parameter.VAR_KEYWORD]
    for name in options:
        if name not in known and not takes_any:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"method {point.name} has no option {name}: {has}")
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    return MethodCode((f"model = {point.attr}(model{arguments})",), (f"from {point.module} import {point.attr}",))
