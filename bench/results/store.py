"""Results in a file: appended line by line, read back, and checked."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from bench.cases.case import Case
from bench.results.result import Result

LOCK_TIMEOUT_S = 60
"""A line takes milliseconds to write: who waits this long waits for a file system that hangs."""


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
