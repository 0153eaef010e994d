"""Detection of memory leaks: allocations that every training step leaves behind."""

from collections import Counter

from drystep.trace.trace import Trace

SHOWN = 3
"""Number of allocation sites that a warning names."""


def leftovers(trace: Trace) -> list[int]:
    """Return the allocations of the second to last step that outlive the last step, which leaves as many behind.

    What a step replaces (gradients, a loss in a variable) is freed in the next step. The first step does not count,
    because the optimizer's state is allocated in it, so leaks are only found in traces of three steps or more.
    """
    if len(trace.iteration_starts) < 3:
        return []
    before, last = trace.iteration_starts[-2:]
    steps: tuple[set[int], set[int]] = (set(), set())
    for position, (index, born, _) in enumerate(trace.events[before:], start=before):
        if born:
            steps[position >= last].add(index)
        else:
            for step in steps:
                step.discard(index)
    again = _sites(trace, steps[1])
    kept = []
    for index in sorted(steps[0]):
        (site,) = _sites(trace, {index})
        if again[site] > 0:
            again[site] -= 1
            kept.append(index)
    return kept


def leak_warning(trace: Trace) -> str | None:
    """Return a warning of what each step leaves behind, with source lines if the trace has them, or None if nothing."""
    kept = leftovers(trace)
    if not kept:
        return None
    by_site: Counter[str] = Counter()
    for index in kept:
        allocation = trace.allocations[index]
        line = trace.source_lines[allocation.operator] if trace.source_lines else None
        name = trace.operators[allocation.operator].name
        by_site[f"{name} at {line}" if line else name] += allocation.requested_bytes
    where = "; ".join(f"{size_bytes:,} bytes by {site}" for site, size_bytes in by_site.most_common(SHOWN))
    more = f"; and {len(by_site) - SHOWN} more" if len(by_site) > SHOWN else ""
    return f"the step never frees {sum(by_site.values()):,} bytes of what it allocates, each time anew: {where}{more}"


def _sites(trace: Trace, indices: set[int]) -> Counter[tuple[str, int]]:
    """Count these allocations by name of the operator and size."""
    allocations = [trace.allocations[index] for index in indices]
    return Counter((trace.operators[a.operator].name, a.requested_bytes) for a in allocations)
