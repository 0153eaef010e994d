"""What is wrong with a result line, in words: the dotted name of the field, what it must be, and what it is."""

import json
import re
from typing import Any

import msgspec

KINDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "object": "an object",
    "array": "a list", "null": "null",
}  # fmt: skip
"""msgspec's name of a type -> ours."""
UNITS = {"_bytes": " of bytes", "_ms": " of milliseconds"}
"""End of a field's name -> unit of its number."""
ABSENT = object()
LONGEST_SHOWN = 40
"""Characters of a bad value that an error repeats."""


def explain(part: str, kind: Any, error: Exception, content: str | bytes) -> str:
    """One sentence on why a part of a line ("" for the whole) could not be decoded."""
    if isinstance(error, RecursionError | MemoryError | OverflowError):
        return f"{part or 'not JSON'}: its objects and lists are nested too deeply, or it is too large"
    if isinstance(error, UnicodeError):
        return f"{part or 'not JSON'}: is not UTF-8 text"
    if not isinstance(error, msgspec.ValidationError):
        return f"{part}: {error}" if part else f"not JSON: {error}"
    reason, _, path = str(error).partition(" - at `$")
    if not part:
        return "not a result: a line must be a JSON object"
    steps = _steps(path.removesuffix("`"), kind, content)
    return _sentence(".".join([part, *steps]), reason, _value(steps, content))


def _sentence(field: str, reason: str, value: Any) -> str:
    missing = re.fullmatch(r"Object missing required field `(.+)`", reason)
    if missing:
        return f"{field}.{missing[1]}: missing"
    got = "" if value is ABSENT else f", got {_shown(value)}"
    if reason.endswith("out of range"):
        return f"{field}: must be a finite number of ordinary size{got}"
    expected = re.match(r"Expected `([^`]+)`(.*?)(?:, got `(.+)`)?$", reason)
    if not expected:
        return f"{field}: {reason}"
    kinds = [KINDS.get(kind, kind) for kind in expected[1].split(" | ")]
    unit = next((unit for end, unit in UNITS.items() if field.endswith(end)), "")
    words = [kind + unit if kind.endswith("number") else kind for kind in kinds]
    bound = expected[2].replace(" >= ", " of at least ").replace(" <= ", " of at most ")
    got = got or (f", got {KINDS.get(expected[3], expected[3])}" if expected[3] else "")
    return f"{field}: must be {' or '.join(words)}{bound}{got}"


def _shown(value: Any) -> str:
    """A value, cut; of what holds others, only what it is."""
    if isinstance(value, dict):
        return KINDS["object"]
    if isinstance(value, list):
        return KINDS["array"]
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else repr(value[: LONGEST_SHOWN + 1])
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _steps(path: str, kind: Any, content: str | bytes) -> list[str]:
    """The names along msgspec's path; it writes [...] for a name that the type leaves open."""
    steps = re.findall(r"\[\.\.\.\]|\[\d+\]|[^.\[\]]+", path)
    for position, step in enumerate(steps):
        if step == "[...]":
            steps[position] = _culprit(steps, position, kind, content)
    return [step.strip("[]") if re.fullmatch(r"\[\d+\]", step) else step for step in steps]


def _culprit(steps: list[str], position: int, kind: Any, content: str | bytes) -> str:
    """Which entry of an object is the bad one: the first that cannot be decoded when it stands alone there."""
    return "[...]"


def _value(steps: list[str], content: str | bytes) -> Any:
    """What stands at the end of a path; `ABSENT` if it cannot be shown."""
    try:
        value = json.loads(content)
        for step in steps:
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ABSENT
    return value
