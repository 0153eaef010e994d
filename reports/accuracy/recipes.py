"""What a training did, in one line."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from reports.escaping import markdown_cell

TIMM = "timm"
"""How an evaluation calls the pre-trained weights that timm publishes."""


def recipe_text(recipe: str) -> str:
    """The recipe of a cell of `runs_of`, as captions have it."""
    found = json.loads(recipe)
    fields = found["recipe"] if isinstance(found["recipe"], dict) else {}
    parts = [_weights(found["pretrained"]), *(f"{name} {_value(found[name])}" for name in ("precision", "window"))]
    return markdown_cell(", ".join([*parts, *_listed(fields)]))


def _weights(pretrained: Any) -> str:
    """What the backbone started from; of a file the name alone."""
    if not isinstance(pretrained, str):
        return "weights not stated"
    if pretrained == TIMM:
        return "timm's pre-trained weights"
    return f"weights of {PurePath(pretrained).name}" if pretrained else "random weights"


def _listed(fields: Mapping[str, Any]) -> list[str]:
    """Each field and its value, but for those that say nothing."""
    return [
        f"{name.replace('_', ' ')} {_value(value)}" for name, value in fields.items() if value not in (None, {}, [])
    ]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"({', '.join(_listed(value))})"
    if isinstance(value, list):
        return f"({', '.join(map(_value, value))})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not stated" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
