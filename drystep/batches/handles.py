"""The trace of a step on a card whose cuBLAS handles take other workspaces."""

from dataclasses import replace

from drystep.operators import Workspace
from drystep.trace.trace import Trace


def with_handles(trace: Trace, before_bytes: int, after_bytes: int) -> Trace:
    """A trace in which the workspaces of cuBLAS's handles, of `before_bytes` each, have `after_bytes`."""
    handle = Workspace(before_bytes, soft=False, kept=True)
    other = Workspace(after_bytes, soft=False, kept=True)
    allocations = [
        replace(each, requested_bytes=after_bytes, workspace=other) if each.workspace == handle else each
        for each in trace.allocations
    ]
    return replace(trace, allocations=allocations)
