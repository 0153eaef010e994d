"""The exit status that results lead to."""

from collections.abc import Sequence

from bench.results.result import Result
from drystep.commands.exit_status import FAILED, OK


def status_of(results: Sequence[Result], problems: Sequence[str] = ()) -> int:
    """FAILED if some case failed or some stored line could not be read, else OK; an out-of-memory is a result."""
    return FAILED if problems or any(result.status == "error" for result in results) else OK
