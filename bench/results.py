"""Results: one JSON line per measured case, appended, read back, and checked."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from bench.case import Case
from bench.isolation.failure import Failure

SCHEMA = 1
LINE_ORDER = ("case", "status", "message", "failure", "params", "memory", "time", "fits", "environment", "created_at")
Status = Literal["ok", "oom", "error"]
LOCK_TIMEOUT_S = 60
"""A line takes milliseconds to write: who waits this long waits for a file system that hangs."""


@dataclass(frozen=True)
class Result:
    """What one engine found out about one case. Integers are bytes; None where the engine cannot know."""

    case: Case
    status: Status
    """An out-of-memory is a result, not an error."""
    environment: Mapping[str, Any]
    message: str = ""
    failure: Mapping[str, Any] | None = None
    """Of what is not "ok": its kind (`bench.isolation.failure`), the phase it was in, and the end of what it wrote."""
    params: Mapping[str, int] | None = None
    memory: Mapping[str, Any] | None = None
    time: Mapping[str, Any] | None = None
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per GPU class: verdict, usable_bytes, peak_reserved_bytes, alloc_retries."""
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


def failed_result(case: Case, failure: Failure, environment: Mapping[str, Any]) -> Result:
    """The result of a case whose process failed; an out-of-memory of a GPU keeps its phase and the peak so far.

    Where this machine's own memory ran out that says nothing about a GPU: an error.
    """
    return Result(
        case=case,
        status="oom" if failure.kind == "out_of_memory" and case.engine == "cuda" else "error",
        environment=environment,
        message=failure.message,
        failure={"kind": failure.kind, "phase": failure.phase, "detail": failure.detail},
        **{name: failure.so_far[name] for name in ("params", "memory") if name in failure.so_far},
    )


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
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is not a file")
        path.open("ab").close()
        with _alone(path):
            pass


def append_result(path: Path, result: Result) -> None:
    """Append one line, whole or not at all, one writer at a time. Raises `ValueError` if it cannot be written.

    What a killed run has left of a line makes way; a last line that lacks its end of line alone gets it.
    """
    require_writable(path)
    with _naming(path), _alone(path), path.open("r+b", buffering=0) as file:
        content = file.read()
        kept = content.rfind(b"\n") + 1
        line = result.to_json().encode() + b"\n"
        if _is_result(content[kept:]):
            kept, line = len(content), b"\n" + line
        file.truncate(kept)
        file.seek(kept)
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file)
        except OSError:
            file.truncate(kept)  # a full disk must not leave half a line
            raise


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what the system says into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"cannot write results to {path}: {error.strerror or error}") from error


def _alone(path: Path) -> FileLock:
    """Held by one process at a time; the system takes it back from one that dies."""
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT_S)


def _is_result(line: bytes) -> bool:
    try:
        Result.from_json(line.decode())
    except ValueError:
        return False
    return True
