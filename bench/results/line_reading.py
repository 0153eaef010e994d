"""Reads the JSON of a result line: its parts as plain values, each checked against `bench.results.line`."""

import functools
import json
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bench.cases.case import ENGINES, OPTIONS, Case
from bench.results.line import PARTS, REQUIRED_PARTS
from bench.results.line_errors import explain
from drystep.bounds import shown

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError, OverflowError)
"""What decoding raises for bad bytes."""
REMEMBERED_CASES = 4096
"""Lines of one file mostly are of few cases: so many are kept decoded."""


class _SeedAndMethod(msgspec.Struct):
    """What most cases of a grid differ in. Both must be there, since a line may leave a default out."""

    seed: int
    method: str


_SEED_AND_METHOD = msgspec.json.Decoder(_SeedAndMethod)
_RAW_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WHOLE = msgspec.json.Decoder(int)
_CASE = msgspec.json.Decoder(Case)
_VALUES = msgspec.json.Decoder(
    msgspec.defstruct("_Values", [(name, kind, msgspec.UNSET) for name, kind in PARTS.items()])
)
"""All parts but the case at once; what else a line has is passed over."""
_AUTO = b'"auto"'
"""An engine that is not chosen yet: no line that was measured has it."""
_HEADS = {name: b'"%b": ' % name.encode() for name in ("schema", "case", *PARTS)}


@dataclass(frozen=True)
class Line:
    """One line of a results file, of which nothing but the names of its parts is read yet."""

    content: bytes
    parts: Mapping[str, msgspec.Raw]


def split(line: str | bytes) -> Line:
    """The parts of a line, not yet read. Raises `ValueError` for what is no JSON object, or names a part twice."""
    try:
        content = (line.encode() if isinstance(line, str) else line).strip()
    except UnicodeEncodeError:
        raise ValueError("not JSON: is not UTF-8 text") from None
    try:
        parts = _RAW_PARTS.decode(content)
    except BROKEN as error:
        raise ValueError(explain("", PARTS, error, content)) from None
    if not _is_as_written(parts, content):
        _refuse_repeated("", content)
    return Line(content, parts)


def schema_of(line: Line) -> int:
    """The schema of a line; 0 for a line that has none."""
    try:
        return _WHOLE.decode(line.parts["schema"])
    except (*BROKEN, KeyError):
        return 0


def read_parts(line: Line) -> dict[str, Any]:
    """All parts but the case as plain values, checked. Raises `ValueError` that names the field that is wrong."""
    for name in REQUIRED_PARTS:
        if name not in line.parts:
            raise ValueError(f"{name}: missing, and every result has it")
    try:
        read = _VALUES.decode(line.content)
    except BROKEN as error:
        _explain_parts(line)
        raise ValueError(f"cannot be read: {error}") from None
    values = {name: getattr(read, name) for name in PARTS if name in line.parts}
    _check_time(values["created_at"])
    return values


def _explain_parts(line: Line) -> None:
    """Raise `ValueError` that names the first part that is wrong, and what in it."""
    for name, kind in PARTS.items():
        raw = line.parts.get(name)
        if raw is not None:
            try:
                msgspec.json.decode(raw, type=kind)
            except BROKEN as error:
                raise ValueError(explain(name, kind, error, bytes(raw))) from None


def read_case(line: Line) -> Case:
    """The case alone. Raises `ValueError` that names the field that is wrong.

    A setting that this version does not know is an error: without it, the result would be that of another case.
    """
    if "case" not in line.parts:
        raise ValueError("case: missing, and every result has it")
    return _case(bytes(line.parts["case"]))


def may_be_among(line: Line, seeds_and_methods: Container[tuple[Any, Any]]) -> bool:
    """Whether a line can be of a case with one of these seeds and methods: a quick answer that is never wrongly no."""
    try:
        stated = _SEED_AND_METHOD.decode(line.parts["case"])
    except (*BROKEN, KeyError):
        return True  # reading the case will say what is wrong
    return (stated.seed, stated.method) in seeds_and_methods


@functools.lru_cache(maxsize=REMEMBERED_CASES)
def _case(raw: bytes) -> Case:
    try:
        stated = _RAW_PARTS.decode(raw)
        is_measured = bytes(stated.get("engine", _AUTO)) != _AUTO
        # An engine that is still to be chosen would be: by asking PyTorch for a GPU.
        case = _CASE.decode(raw if is_measured else msgspec.json.encode({**stated, "engine": ENGINES[0]}))
    except BROKEN as error:
        raise ValueError(explain("case", Case, error, raw)) from None
    unknown = stated.keys() - OPTIONS.keys()
    if unknown:
        raise ValueError(f"case.{shown(min(unknown))[1:-1]}: this version of drystep knows no such setting of a case")
    if not is_measured:
        raise ValueError(f"case.engine: must be what measured, one of {', '.join(ENGINES)}")
    if raw.count(b":") != len(stated):  # no name and no value of a case has a colon
        _refuse_repeated("case.", raw)
    return case


def _is_as_written(parts: Mapping[str, msgspec.Raw], content: bytes) -> bool:
    """Whether the parts, written as `Result.to_json` writes them, are the line: then none of them is there twice."""
    if not parts.keys() <= _HEADS.keys():
        return False
    return content[1:-1] == b", ".join([_HEADS[name] + raw for name, raw in parts.items()])


def _refuse_repeated(where: str, content: bytes) -> None:
    """Raise `ValueError` for an object that has one name twice: which of the two values holds would be a guess."""
    names: Counter[str] = Counter()

    def note(pairs: list[tuple[str, Any]]) -> None:  # the outermost object comes last
        nonlocal names
        names = Counter(name for name, _ in pairs)

    try:
        json.loads(content, object_pairs_hook=note, parse_int=str)
    except (ValueError, RecursionError):
        raise ValueError(f"{where.removesuffix('.') or 'not JSON'}: cannot be read as JSON") from None
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        raise ValueError(f"{where}{shown(repeated[0])[1:-1]}: is there twice")


def _check_time(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"created_at: must be an ISO time, such as 2026-01-31T12:00:00+00:00, got {shown(text)}"
        ) from None
