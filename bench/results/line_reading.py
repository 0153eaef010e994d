"""Reads the JSON of a result line: its parts as plain values, each checked against `bench.results.line`."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from typing import Any

import msgspec

from bench.cases.case import ENGINES, OPTIONS, Case
from bench.results.line import PARTS, REQUIRED_PARTS
from bench.results.line_errors import explain
from drystep.bounds import shown

Parts = Mapping[str, msgspec.Raw]
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
_DECODE: dict[str, Callable[[msgspec.Raw], Any]] = {
    name: msgspec.json.Decoder(kind).decode for name, kind in PARTS.items()
}
_AUTO = b'"auto"'
"""An engine that is not chosen yet: no line that was measured has it."""
_HEADS = {name: b'"%b": ' % name.encode() for name in ("schema", "case", *PARTS)}


def split(line: str | bytes) -> Parts:
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
    return parts


def schema_of(parts: Parts) -> int:
    """The schema of a line; 0 for a line that has none."""
    try:
        return _WHOLE.decode(parts["schema"])
    except (*BROKEN, KeyError):
        return 0


def read_parts(parts: Parts) -> dict[str, Any]:
    """All parts but the case as plain values, checked. Raises `ValueError` that names the field that is wrong."""
    for name in REQUIRED_PARTS:
        if name not in parts:
            raise ValueError(f"{name}: missing, and every result has it")
    values = {}
    for name, raw in parts.items():
        decode = _DECODE.get(name)
        if decode is None:
            continue
        try:
            values[name] = decode(raw)
        except BROKEN as error:
            raise ValueError(explain(name, PARTS[name], error, bytes(raw))) from None
    _check_time(values["created_at"])
    return values


def read_case(parts: Parts) -> Case:
    """The case alone. Raises `ValueError` that names the field that is wrong.

    A setting that this version does not know is an error: without it, the result would be that of another case.
    """
    if "case" not in parts:
        raise ValueError("case: missing, and every result has it")
    return _case(bytes(parts["case"]))


def may_be_among(parts: Parts, seeds_and_methods: Container[tuple[Any, Any]]) -> bool:
    """Whether a line can be of a case with one of these seeds and methods: a quick answer that is never wrongly no."""
    try:
        stated = _SEED_AND_METHOD.decode(parts["case"])
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


def _is_as_written(parts: Parts, content: bytes) -> bool:
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
