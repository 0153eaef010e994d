"""The sizes at which a step runs: those that were asked for, or its own."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from drystep.fit.asked import AskedStep
from drystep.fit.step import DEFAULT_BATCH


def sized(asked: AskedStep, build_step: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A step that builds itself at its sizes, and these: "batch_size" and (height, width) as "image_size", or None.

    Raises `ValueError` for a size that was asked for and that the function does not take.
    """
    parameters = inspect.signature(build_step).parameters
    wanted = {"batch_size": asked.batch_size, "image_size": asked.image_size}
    given = {name: value for name, value in wanted.items() if value is not None}
    for name in given:
        if name not in parameters:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{build_step.__name__} takes no {name}: leave {option} out, or give the function that keyword"
            )
    if "batch_size" in parameters and "batch_size" not in given:
        default = parameters["batch_size"].default
        given["batch_size"] = default if isinstance(default, int) else DEFAULT_BATCH
    sizes: dict[str, Any] = dict.fromkeys(wanted) | given
    if sizes["image_size"] is None and "image_size" in parameters:
        default = parameters["image_size"].default
        sizes["image_size"] = None if default is inspect.Parameter.empty else default
    return partial(build_step, **given), sizes
