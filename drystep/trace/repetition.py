"""A step that repeats the one before it, written into the trace without running it again."""

from dataclasses import replace

from drystep.trace.trace import Trace


def repeat_step(trace: Trace, end: int) -> bool:
    """Append the last step of a trace once more, and return whether that was possible.

    The step's own events end before `end`; what follows them in the trace was freed between steps. The step can be
    repeated if what it freed of older storages (gradients, mostly) is what it left behind itself, one by one: then the
    next step frees those in the same places. The iteration's start must be marked already.
    """
    begin, operators_begin = trace.iteration_starts[-2], trace.first_operators[-2]
    first, operators = _first_born(trace, begin), trace.first_operators[-1] - operators_begin
    count = len(trace.allocations) - first
    successors = _successors(trace, begin, end, first)
    if successors is None:
        return False
    for allocation in trace.allocations[first:]:
        trace.allocations.append(replace(allocation, operator=allocation.operator + operators))
    for index, born, operator in trace.events[begin:end]:
        again = index + count if index >= first else successors[index]
        trace.events.append((again, born, max(operator, operators_begin - 1) + operators))
    later = trace.iteration_starts[-1] - begin
    trace.requests += [
        replace(request, event=request.event + later, operator=request.operator + operators)
        for request in trace.requests
        if request.operator >= operators_begin
    ]
    trace.operators += trace.operators[operators_begin:]
    trace.source_lines += trace.source_lines[operators_begin:]
    trace.work = [(index + operators, work) for index, work in trace.work if index >= operators_begin]
    trace.returned_again = [
        (operator + operators, index + count if index >= first else successors.get(index, index))
        for operator, index in trace.returned_again
        if operator >= operators_begin
    ]
    return True


def _first_born(trace: Trace, begin: int) -> int:
    """Index of the first allocation after an event."""
    return next((index for index, born, _ in trace.events[begin:] if born), len(trace.allocations))


def _successors(trace: Trace, begin: int, end: int, first: int) -> dict[int, int] | None:
    """Older storage that the step freed -> the one of the step that takes its place; None where they do not match."""
    freed_old = [index for index, born, _ in trace.events[begin:end] if not born and index < first]
    freed = {index for index, born, _ in trace.events[begin:] if not born}
    left = [index for index in range(first, len(trace.allocations)) if index not in freed]
    freed_old.sort()
    if len(freed_old) != len(left):
        return None
    pairs = list(zip(freed_old, left, strict=True))
    sizes = [(trace.allocations[old].requested_bytes, trace.allocations[new].requested_bytes) for old, new in pairs]
    return dict(pairs) if all(old == new for old, new in sizes) else None
