"""What is wrong with a result line, in words: the dotted name of the field, what it must be, and what it is."""

import re
from typing import Any, get_args

import msgspec

from bench.results.line import DEEPEST_ENVIRONMENT, PARTS
from bench.results.line_position import path_at
from drystep.bounds import shown
from drystep.memory.verdict import CardVerdict
from drystep.visible_text import one_line

KINDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "object": "an object",
    "array": "a list", "null": "null",
}  # fmt: skip
"""msgspec's name of a type -> ours."""
UNITS = {"_bytes": " of bytes", "_ms": " of milliseconds"}
"""End of a field's name -> unit of its number."""
ANY_SCALAR = "bool | int | float | str | null"
"""How msgspec calls what is neither an object nor a list: expected at the deepest level of free JSON."""
LONGEST_NAME = 60
LONGEST_NUMBER = 40
"""Characters that an error repeats."""
OPEN = "[...]"
"""How msgspec's paths name an entry of an object whose names are not known beforehand."""
WORDS = {"status": get_args(PARTS["status"]), "verdict": get_args(CardVerdict)}
"""Field -> the words that it may be."""
NOT_FINITE = re.compile(rb"-?(NaN|Infinity)")
"""How Python's `json` writes what JSON does not have."""
_ENTRIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def explain(part: str, kind: Any, error: Exception, content: bytes) -> str:
    """One sentence on why a part of a line, or the whole line (""), could not be decoded as its type."""
    if isinstance(error, RecursionError | MemoryError | OverflowError):
        where = part or _dotted(path_at(content)[:1]) or "not JSON"
        return f"{where}: its objects and lists are nested too deeply, or it is too large"
    if isinstance(error, UnicodeError):
        return f"{part or 'not JSON'}: is not UTF-8 text"
    if not isinstance(error, msgspec.ValidationError):
        return _malformed(part, error, content)
    if not part:
        return "not a result: a line must be a JSON object"
    reason, steps = _parsed(error)
    for position, step in enumerate(steps):
        if step == OPEN:
            steps[position] = _culprit(steps, position, kind, content)
    return _sentence(_dotted([part, *steps]), reason, _got(steps, content))


def _malformed(part: str, error: Exception, content: bytes) -> str:
    """What is no JSON, by the byte that msgspec names."""
    position = re.search(r"\(byte (\d+)\)", str(error))
    if not position:
        return f"{part or 'not JSON'}: {error}"
    offset = int(position[1])
    steps = path_at(content, offset)
    number = NOT_FINITE.match(content, max(0, offset - 1)) or NOT_FINITE.match(content, offset)  # with its sign
    if number and steps:
        return f"{_dotted([part, *steps])}: must be a finite number, got {number[0].decode()}"
    return f"{_dotted([part, *steps]) or 'not JSON'}: {error}"


def _sentence(field: str, reason: str, got: str) -> str:
    missing = re.fullmatch(r"Object missing required field `(.+)`", reason)
    if missing:
        return f"{field}.{missing[1]}: missing"
    if reason.endswith("out of range"):
        return f"{field}: must be a finite number of ordinary size{got}"
    if reason.startswith("Invalid enum value"):
        return f"{field}: must be one of {', '.join(WORDS[field.rpartition('.')[2]])}{got}"
    expected = re.match(r"Expected `([^`]+)`(.*?)(?:, got `(.+)`)?$", reason)
    if not expected:
        return f"{field}: {reason}"
    if expected[1] == ANY_SCALAR:
        return f"{field}: must be at most {DEEPEST_ENVIRONMENT} levels deep, and holds{got.removeprefix(', got')} there"
    kinds = [KINDS.get(kind, kind) for kind in expected[1].split(" | ")]
    unit = next((unit for end, unit in UNITS.items() if field.endswith(end)), "")
    words = [kind + unit if kind.endswith("number") else kind for kind in kinds]
    return f"{field}: must be {' or '.join(words)}{_bound(expected[2])}{got}"


def _bound(text: str) -> str:
    """What msgspec appends to a type: " >= 0.0", or " of length >= 2"."""
    found = re.fullmatch(r"( of length)? (>=|<=) (\d+)(?:\.0)?", text)
    if not found:
        return text
    return f", {'at least' if found[2] == '>=' else 'at most'} {found[3]}{' long' if found[1] else ''}"


def _parsed(error: Exception) -> tuple[str, list[str]]:
    """What msgspec says is wrong, and the steps of the path at which it is: names, [1] of a list, [...]."""
    reason, _, path = str(error).partition(" - at `$")
    return reason, re.findall(r"\[\.\.\.\]|\[\d+\]|[^.\[\]]+", path.removesuffix("`"))


def _dotted(steps: list[str]) -> str:
    named = (step if step.startswith("[") else f".{one_line(step)[:LONGEST_NAME]}" for step in steps if step)
    return "".join(named).removeprefix(".")


def _culprit(steps: list[str], position: int, kind: Any, content: bytes) -> str:
    """Which entry of an object with open names is wrong: the first that gives the same error when it is there alone."""
    around = steps[:position]
    try:
        entries = _ENTRIES.decode(_inside(around, content))
    except (msgspec.DecodeError, LookupError):
        return OPEN
    for name, entry in entries.items():
        alone = b"{%b: %b}" % (msgspec.json.encode(name), entry)
        for step in reversed(around):
            alone = b"[%b]" % alone if step.startswith("[") else b"{%b: %b}" % (msgspec.json.encode(step), alone)
        try:
            msgspec.json.decode(alone, type=kind)
        except msgspec.ValidationError as error:
            if len(_parsed(error)[1]) > position:  # not about what is missing beside it
                return name
    return OPEN


def _inside(steps: list[str], content: bytes) -> bytes:
    """The JSON that stands at the end of a path."""
    for step in steps:
        found = _ITEMS.decode(content)[int(step[1:-1])] if step.startswith("[") else _ENTRIES.decode(content)[step]
        content = bytes(found)
    return content


def _got(steps: list[str], content: bytes) -> str:
    """What stands at the end of a path, in words; nothing if it cannot be shown."""
    try:
        value = _inside(steps, content).strip()
        if value[:1] == b'"':
            return f", got {shown(msgspec.json.decode(value))}"
    except (msgspec.DecodeError, UnicodeError, LookupError):
        return ""
    if value[:1] in (b"{", b"["):
        return f", got {KINDS['object' if value[:1] == b'{' else 'array']}"
    text = value.decode(errors="replace")
    return f", got {text}" if len(text) <= LONGEST_NUMBER else f", got {text[:LONGEST_NUMBER]}..."
