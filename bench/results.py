"""Results: one JSON line per measured case, appended, read back, and checked."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.case import Case

SCHEMA = 1
LINE_ORDER = (
    "case", "status", "message", "params", "memory", "time", "fits", "predicted_time", "environment", "created_at",
)  # fmt: skip
Status = Literal["ok", "oom", "error"]


@dataclass(frozen=True)
class Result:
    """What one engine found out about one case. Integers are bytes; None where the engine cannot know."""

    case: Case
    status: Status
    """An out-of-memory is a result, not an error."""
    environment: Mapping[str, Any]
    message: str = ""
    params: Mapping[str, int] | None = None
    memory: Mapping[str, Any] | None = None
    time: Mapping[str, Any] | None = None
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per GPU class: verdict, usable_bytes, peak_reserved_bytes, alloc_retries."""
    predicted_time: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per GPU class: simulated milliseconds of a step and its phases, or what is missing; `time` is measured."""
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> str:
        """One line, without a newline."""
        values = {**asdict(self), "case": self.case.as_dict()}
        return json.dumps({"schema": SCHEMA, **{name: values[name] for name in LINE_ORDER}})

    @classmethod
    def from_json(cls, line: str) -> "Result":
        """Read a line back. Raises `ValueError` that says what is wrong with it."""
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON: {error}") from error
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            raise ValueError(f"not a result of schema {SCHEMA}")
        try:
            return cls(**{**values, "case": Case(**values["case"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a result: {error}") from error


@dataclass(frozen=True)
class StoredResults:
    """What a results file holds."""

    results: list[Result]
    """The latest result of each case, in order of first appearance."""
    problems: list[str]
    """One line for each line of the file that could not be read."""


def read_results(path: Path) -> StoredResults:
    """Read a file of result lines; bad lines are named, and cost no good one. Raises `ValueError` if unreadable.

    An unfinished last line is no error: a run that was killed, or still writes, leaves one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read results from {path}: {error.strerror}") from error
    latest: dict[Case, Result] = {}
    problems = []
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.strip():
            continue
        try:
            result = Result.from_json(line.decode(errors="replace"))
        except ValueError as error:
            if line.endswith(b"\n"):
                problems.append(f"{path}:{number}: {error}")
        else:
            latest[result.case] = result
    return StoredResults(list(latest.values()), problems)


def require_writable(path: Path) -> None:
    """Create folder and file if need be. Raises `ValueError` if results could not be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise ValueError(f"cannot write results to {path}: {error.strerror}") from error


def append_result(path: Path, result: Result) -> None:
    """Append one line and flush it; an unfinished last line makes way. Raises `ValueError` if it cannot be written."""
    require_writable(path)
    try:
        with path.open("r+b") as file:
            content = file.read()
            file.seek(content.rfind(b"\n") + 1)
            file.truncate()
            file.write(result.to_json().encode() + b"\n")
    except OSError as error:
        raise ValueError(f"cannot write results to {path}: {error.strerror}") from error


def missing_from(cases: Iterable[Case], stored: StoredResults, gpus: Iterable[str]) -> list[Case]:
    """The cases without a stored result that judges all these GPU classes; failed cases are missing too."""
    wanted = set(gpus)
    done = {result.case for result in stored.results if result.status != "error" and wanted <= result.fits.keys()}
    return [case for case in cases if case not in done]
