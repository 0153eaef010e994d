"""Writes a result line, so that any reader of JSON can read it."""

import json
import math
from collections.abc import Mapping
from typing import Any


def write_line(values: Mapping[str, Any]) -> str:
    """One line of JSON, without a newline.

    JSON has no numbers that are not finite: such a figure becomes null, so that the others of its result are kept. Half
    of a surrogate pair, which paths of files may hold, is no text: it becomes a question mark.
    """
    try:
        text = json.dumps(values, allow_nan=False)
    except ValueError:  # a figure that is not finite
        text = ""
    return json.dumps(_storable(values), allow_nan=False) if not text or "\\ud" in text else text


def _storable(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(name): _storable(entry) for name, entry in value.items()}
    return [_storable(entry) for entry in value] if isinstance(value, list | tuple) else value
