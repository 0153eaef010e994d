"""Files of checks: one JSON line for each, marked by its kind, for reports and other programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from drystep.files.lines import short_lines
from drystep.files.whole import require_folder, write_whole

LARGEST = 1e300
"""Larger figures, and infinite ones, cannot come from a measurement."""
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class CheckKind:
    """A kind of check, and the fields that a line of it must have so that a report can show it."""

    name: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    truths: tuple[str, ...] = ()
    may_be_null: tuple[str, ...] = ()

    def is_check(self, line: Any) -> bool:
        """Whether the value of a JSON line is a check of this kind."""
        return isinstance(line, dict) and line.get("kind") == self.name and all(self._has(line))

    def _has(self, line: Fields) -> Iterator[bool]:
        for names, kind in ((self.texts, _is_text), (self.numbers, _is_number), (self.truths, _is_truth)):
            for name in names:
                yield kind(line.get(name)) or (name in self.may_be_null and line.get(name) is None)


MEMORY_CHECKS = CheckKind(
    "drystep memory check",
    texts=("id", "group", "quantity"),
    numbers=("predicted_bytes", "measured_bytes", "capped_right", "capped_runs", "error_percent"),
    truths=("predicted_oom", "measured_oom", "right_about_oom"),
    may_be_null=("error_percent", "measured_oom", "right_about_oom"),
)
STEP_CHECKS = CheckKind(
    "drystep step-time check", texts=("id", "card"), numbers=("error_percent", "roofline_error_percent")
)
TIME_CHECKS = CheckKind(
    "drystep calibration check",
    texts=("card", "mode", "layout", "precision"),
    numbers=("steps", "mean", "median", "percentile_90", "roofline_mean", "inside"),
)
REPORT_CHECKS = CheckKind(
    "drystep report check",
    texts=("id", "family", "quantity", "rules", "predicted_verdict", "measured_verdict", "judged"),
    numbers=("predicted_bytes", "least_bytes", "most_bytes", "measured_bytes", "error_percent",
             "accelerate_error_percent", "memtracker_error_percent"),
    truths=("by_trial", "within_rounding", "within_interval"),
    may_be_null=("judged", "predicted_bytes", "least_bytes", "most_bytes", "measured_bytes", "error_percent",
                 "accelerate_error_percent", "memtracker_error_percent", "within_rounding", "within_interval"),
)  # fmt: skip


def marked(kind: CheckKind, checks: Iterable[Fields]) -> Iterator[dict[str, Any]]:
    """The checks with the name of their kind, as lines have it."""
    return ({"kind": kind.name, **fields} for fields in checks)


def write_checks_file(path: Path, lines: Iterable[Fields]) -> None:
    """Replace a file by marked checks, completely or not at all. Raises `OSError` if that fails."""
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))


def require_checks_file(path: Path, *kinds: CheckKind) -> None:
    """Raise `ValueError` if checks of some kinds cannot be written to a path, or would replace something else."""
    try:
        require_folder(path.parent)
        if path.exists() and not path.is_file():
            raise ValueError(f"cannot write checks to {path}: it is not a file")
        first = _lines(path, 1) if path.exists() else []
    except OSError as error:
        raise ValueError(f"cannot write checks to {path}: {error.strerror or error}") from error
    if not all(_is_check(line, kinds) for line in first):
        raise ValueError(
            f"{path} holds something else than lines of a {_named(kinds)}: name another file, or a new one"
        )


def read_checks_file(path: Path, *kinds: CheckKind) -> tuple[list[Fields], list[str]]:
    """Return the checks of some kinds in a file, and remarks on its other lines. Both are empty if there is no file."""
    if not path.exists():
        return [], []
    if not path.is_file():
        return [], [f"{path} is not a file and is left out"]  # reading a device may never end
    try:
        lines = _lines(path)
    except OSError as error:
        return [], [f"{path} is left out: {error.strerror or error}"]
    checks = [line for line in lines if _is_check(line, kinds)]
    left_out = len(lines) - len(checks)
    problem = f"{path}: {left_out} of {len(lines)} lines are not a {_named(kinds)} and are left out"
    return checks, [problem] if left_out else []


def _is_check(line: Any, kinds: Sequence[CheckKind]) -> bool:
    return any(kind.is_check(line) for kind in kinds)


def _named(kinds: Sequence[CheckKind]) -> str:
    return " or ".join(kind.name for kind in kinds)


def _lines(path: Path, most: int | None = None) -> list[Any]:
    """The JSON values of the lines of a file, or of the first ones, with None for a line that is not JSON."""
    with path.open("rb") as file:
        filled = (line for line in short_lines(file) if line.strip())
        return [_parsed(line) for line in islice(filled, most)]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST
