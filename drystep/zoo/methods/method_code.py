"""What a method adds to the code of a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drystep.zoo.model_code import ModelCode


@dataclass(frozen=True)
class MethodCode:
    """Lines of Python that make a method of fine-tuning out of `model`."""

    lines: tuple[str, ...] = ()
    """They run after the model was built."""
    imports: tuple[str, ...] = ()
    after_step: tuple[str, ...] = ()
    """Lines that run after the optimizer's step."""


def trained_heads(model: ModelCode) -> list[str]:
    """Lines that make the heads train."""
    return [f'model.get_submodule("{head}").requires_grad_(True)' for head in model.heads]


def refuse_options(method: str, options: Mapping[str, Any], known: tuple[str, ...] = ()) -> None:
    """Raise `ValueError` for options that a method does not have."""
    unknown = [name for name in options if name not in known]
    if unknown:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise ValueError(f"method {method} has no option {' and no option '.join(unknown)}: {has}")
