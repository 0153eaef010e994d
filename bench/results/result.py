"""A result: what one engine found out about one case, as one line of JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from bench.cases.case import Case
from bench.cases.methods import METHODS
from bench.results.line_writing import write_line
from bench.results.provenance import CHECKOUT
from drystep.measure.failure import Failure
from drystep.measure.impersonal import impersonal

if TYPE_CHECKING:  # reading needs msgspec, and a machine that only measures may lack it
    from bench.results.line_reading import Line
    from bench.results.wanted import WantedCases

SCHEMA = 1
LINE_ORDER = (
    "case", "method", "status", "message", "failure", "params", "cost", "memory", "time", "fits",
    "predicted_time", "environment", "created_at",
)  # fmt: skip
Status = Literal["ok", "oom", "error"]


class NewerSchemaError(ValueError):
    """A line that is no mistake, but of a later version of drystep."""


@dataclass(frozen=True)
class Result:
    """What one engine found out about one case. Integers are bytes; None where the engine cannot know."""

    case: Case
    status: Status
    """An out-of-memory is a result, not an error."""
    environment: Mapping[str, Any]
    message: str = ""
    failure: Mapping[str, Any] | None = None
    """Of what is not "ok": its kind (`drystep.measure.failure`), the phase it was in, and the end of what it wrote."""
    params: Mapping[str, int] | None = None
    cost: Mapping[str, int] | None = None
    """What a task stores, and a step keeps for backward and computes (`bench.engines.cost`); simulated cases alone."""
    memory: Mapping[str, Any] | None = None
    time: Mapping[str, Any] | None = None
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per GPU class: verdict, usable_bytes, peak_reserved_bytes, alloc_retries."""
    predicted_time: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per GPU class: simulated milliseconds of a step and its phases, or what is missing; `time` is measured."""
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> str:
        """One line, without a newline. A figure that is not finite becomes null."""
        values = {**asdict(self), "case": self.case.as_dict(), "method": METHODS[self.case.method].as_fields()}
        return write_line({"schema": SCHEMA, **{name: values[name] for name in LINE_ORDER}})

    @classmethod
    def from_json(cls, line: str | bytes) -> "Result":
        """Read a line back, checked. Raises `ValueError` that names what is wrong with it, and nothing else.

        Fields that this version does not know are left out.
        """
        from bench.results.line_reading import read_case

        read = _line(line)
        return _result(read_case(read), read)


def result_among(line: str | bytes, wanted: "WantedCases") -> Result | None:
    """The result of a line if its case is wanted; of any other line little is checked.

    Raises `ValueError` as `Result.from_json` does.
    """
    read = _line(line)
    case = wanted.case_of(read)
    return None if case is None else _result(case, read)


def _result(case: Case, line: "Line") -> Result:
    from bench.results.line_reading import read_parts

    values = read_parts(line)
    values.pop("method", None)  # the registry knows it
    return Result(case=case, **values)


def _line(line: str | bytes) -> "Line":
    from bench.results.line_reading import schema_of, split

    read = split(line)
    schema = schema_of(read)
    if schema > SCHEMA:
        raise NewerSchemaError(
            f"a line of schema {schema}: this version reads schema {SCHEMA}; a newer drystep wrote it"
        )
    if schema != SCHEMA:
        raise ValueError(f"not a result of schema {SCHEMA}")
    return read


def failed_result(case: Case, failure: Failure, environment: Mapping[str, Any]) -> Result:
    """The result of a case whose process failed; an out-of-memory of a GPU keeps its phase and the peak so far.

    Where this machine's own memory ran out that says nothing about a GPU: an error.
    """
    return Result(
        case=case,
        status="oom" if failure.kind == "out_of_memory" and case.engine == "cuda" else "error",
        environment=environment,
        message=_impersonal(failure.message),
        failure={"kind": failure.kind, "phase": failure.phase, "detail": _impersonal(failure.detail)},
        **{name: failure.so_far[name] for name in ("params", "memory") if name in failure.so_far},
    )


def _impersonal(text: str) -> str:
    return impersonal(text, {CHECKOUT: ""})
