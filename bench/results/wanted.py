"""The cases that a reader of a results file asks for, found again in its lines at little cost."""

from collections.abc import Iterable

import msgspec

from bench.cases.case import Case
from bench.results.line_reading import Line, may_be_among, read_case


class WantedCases:
    """A set of cases that knows how their lines look: most of a large file is passed over."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases = {case: case for case in cases}
        self._as_written = {_as_written(case): case for case in self._cases}
        self._seeds_and_methods = {(case.seed, case.method) for case in self._cases}

    def case_of(self, line: Line) -> Case | None:
        """The case of a line if it is wanted. Raises `ValueError` if it may be, and cannot be read."""
        as_written = self._as_written.get(bytes(line.parts.get("case", b"")))
        if as_written is not None:
            return as_written
        if not may_be_among(line, self._seeds_and_methods):
            return None
        return self._cases.get(read_case(line))


def _as_written(case: Case) -> bytes:
    """A case as it stands in a line that this version wrote. Lines of others are read instead."""
    return msgspec.json.format(msgspec.json.encode(case.as_dict()), indent=0)
