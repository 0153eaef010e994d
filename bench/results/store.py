"""Results in a file: appended line by line, read back, and checked."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from bench.cases.case import Case
from bench.results.result import NewerSchemaError, Result, result_among
from bench.results.wanted import WantedCases
from drystep.errors import OutputError
from drystep.files.lines import ForeignFileError, LineFile, begins, short_lines

BEGINNING = b'{"schema": '
"""What every result line begins with, of any schema."""
MOST_PROBLEMS = 20
"""Bad lines that are named one by one; of more, the number is told."""


@dataclass(frozen=True)
class StoredResults:
    """What a results file holds."""

    results: list[Result]
    """The latest result of each case, in order of first appearance."""
    problems: list[str]
    """One line for each line of the file that could not be read; of many, the first and how many more."""


def read_results(path: Path) -> StoredResults:
    """Read a file of result lines; bad lines are named, and cost no good one. Raises `ValueError` if unreadable."""
    problems = Problems(path)
    latest = {result.case: result for _, result in each_result(path, problems)}
    return StoredResults(list(latest.values()), problems.lines())


def each_result(
    path: Path, problems: "Problems", wanted: Collection[Case] | None = None
) -> Iterator[tuple[int, Result]]:
    """The results of a file in its order, each with the position of its line; what is none goes to `problems`.

    Of a large file one line at a time is held, and only those of `wanted` cases are read as a whole (None: all). An
    unfinished last line is no problem: a run that was killed, or still writes, leaves one. Raises `ValueError` if the
    file cannot be read.
    """
    position = 0
    among = None if wanted is None else WantedCases(wanted)
    try:
        with path.open("rb", buffering=0) as file:
            for number, line in enumerate(short_lines(file), start=1):
                if line.strip():
                    try:
                        result = Result.from_json(line) if among is None else result_among(line, among)
                    except ValueError as error:
                        if line.endswith(b"\n") or not begins(line, BEGINNING):
                            problems.add(number, line, error)
                    else:
                        if result is not None:
                            yield position, result
                position += len(line)
    except OSError as error:
        raise ValueError(f"cannot read results from {path}: {error.strerror}") from error


@dataclass(frozen=True)
class ResultsAt(Sequence[Result]):
    """Results of a file, each read when it is asked for."""

    path: Path
    positions: Sequence[int]
    """Where their lines begin."""

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> "ResultsAt": ...
    def __getitem__(self, index: int | slice) -> "Result | ResultsAt":
        if isinstance(index, slice):
            return ResultsAt(self.path, self.positions[index])
        with self.path.open("rb") as file:
            file.seek(self.positions[index])
            return Result.from_json(file.readline())


def require_writable(path: Path) -> None:
    """Create folder and file if need be. Raises `ValueError` if results could not, or must not, be written there."""
    try:
        _lines_of(path).require_writable()
    except OSError as error:
        raise ValueError(f"cannot write results to {path}: {error.strerror or error}") from error


def append_result(path: Path, result: Result) -> None:
    """Append one line, whole or not at all, one writer at a time. Raises `OutputError` if it cannot be written.

    What a killed run has left of a line makes way; a last line that lacks its end of line alone gets it.
    """
    with _writing(path):
        _lines_of(path).append(result.to_json())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system says into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write a result to {path}: {error.strerror or error}; the results before it are stored"
        ) from error
    except ForeignFileError as error:
        raise OutputError(str(error)) from error


def _lines_of(path: Path) -> LineFile:
    return LineFile(path, "results", BEGINNING, _is_result)


def _is_result(line: bytes) -> bool:
    """Whether a line is a whole result, also one that a newer version wrote."""
    try:
        Result.from_json(line)
    except NewerSchemaError:
        return True
    except ValueError:
        return False
    return True


class Problems:
    """Complaints about lines: those that look like JSON are named, up to a number; the others are one complaint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named: list[str] = []
        self._more = 0
        self._foreign: list[int] = []

    def add(self, number: int, line: bytes, error: ValueError) -> None:
        """Take up a line that is no result."""
        if not line.lstrip().startswith(b"{"):
            self._foreign.append(number)
        elif len(self._named) < MOST_PROBLEMS:
            self._named.append(f"{self._path}:{number}: {error}")
        else:
            self._more += 1

    def lines(self) -> list[str]:
        """One complaint a line."""
        found = list(self._named)
        if self._more:
            found.append(f"{self._path}: {self._more} more lines are not results")
        if self._foreign:
            others = f", and {len(self._foreign) - 1} more lines" if len(self._foreign) > 1 else ""
            found.append(f"{self._path}:{self._foreign[0]}: not a result{others}")
        return found
